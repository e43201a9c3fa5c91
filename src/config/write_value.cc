#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace config {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

/// The grammar of RFC 8259 section 6.
bool json_number(std::string_view text) {
    std::size_t i = text.starts_with('-') ? 1 : 0;
    std::size_t start = i;
    auto digits = [&] {
        std::size_t from = i;
        while (i < text.size() && digit(text[i])) ++i;
        return i > from;
    };
    if (!digits() || (text[start] == '0' && i - start > 1)) return false;
    if (i < text.size() && text[i] == '.' && (++i, !digits())) return false;
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
        if (!digits()) return false;
    }
    return i == text.size();
}

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
                } else {
                    out += c;
                }
        }
    }
    return out += '"';
}

/// May stand in YAML without quotes and is read back as the same text.
bool plain(std::string_view text) {
    constexpr std::string_view kSafe = "_-./:+@*";
    if (text.empty() || text.ends_with(':') || text.contains("://*")) return false;
    if (std::string_view("-:*@?!").contains(text.front()) && !json_number(text)) return false;
    return std::ranges::all_of(text, [&](char c) {
        return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kSafe.contains(c);
    });
}

/// Quotes are kept: other readers take `12:30` or `on` for something else.
std::string yaml_scalar(const Value& value) {
    return value.quoted || !plain(value.text) ? quote(value.text) : value.text;
}

void write_yaml(const Value& value, int indent, std::string& out);

std::string pad(int indent) { return std::string(static_cast<std::size_t>(indent) * 2, ' '); }

/// What follows `name:` or `-`: a scalar on the line, a collection below.
void write_yaml_child(const Value& value, int indent, std::string& out) {
    switch (value.kind) {
        case Value::Kind::null: out += " null\n"; return;
        case Value::Kind::scalar: out += ' ' + yaml_scalar(value) + '\n'; return;
        case Value::Kind::list:
            if (value.items.empty()) out += " []";
            break;
        case Value::Kind::map:
            if (value.members.empty()) out += " {}";
            break;
    }
    out += '\n';
    write_yaml(value, indent, out);
}

void write_yaml(const Value& value, int indent, std::string& out) {
    for (const Value& item : value.items) {
        out += pad(indent) + "-";
        if (item.is_map() && !item.members.empty()) {
            std::string block;
            write_yaml(item, indent + 1, block);
            out += ' ' + block.substr(static_cast<std::size_t>(indent) * 2 + 2);
        } else {
            write_yaml_child(item, indent + 1, out);
        }
    }
    for (const Member& member : value.members) {
        out += pad(indent) + (plain(member.name) ? member.name : quote(member.name)) + ":";
        write_yaml_child(member.value, indent + 1, out);
    }
}

}  // namespace

std::string to_json(const Value& value) {
    std::string out;
    switch (value.kind) {
        case Value::Kind::null: return "null";
        case Value::Kind::scalar:
            if (auto flag = value.boolean()) return *flag ? "true" : "false";
            return !value.quoted && json_number(value.text) ? value.text : quote(value.text);
        case Value::Kind::list:
            for (const Value& item : value.items) out += (out.empty() ? "" : ",") + to_json(item);
            return '[' + out + ']';
        case Value::Kind::map:
            for (const Member& member : value.members) {
                out += (out.empty() ? "" : ",") + quote(member.name) + ':' + to_json(member.value);
            }
            return '{' + out + '}';
    }
    return out;
}

std::string to_yaml(const Value& value) {
    std::string out;
    if (value.is_map() || value.is_list()) {
        write_yaml(value, 0, out);
    } else {
        write_yaml_child(value, 0, out);
    }
    return out;
}

}  // namespace config
