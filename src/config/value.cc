#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

namespace config {

const Value* Value::find(std::string_view name) const {
    auto at = std::ranges::find(members, name, &Member::name);
    return at == members.end() || at->value.is_null() ? nullptr : &at->value;
}

Value* Value::find(std::string_view name) {
    return const_cast<Value*>(std::as_const(*this).find(name));
}

Value& Value::set(std::string_view name, Value value) {
    if (!is_map()) *this = map(*this);
    auto at = std::ranges::find(members, name, &Member::name);
    if (at == members.end()) {
        int place = value.line;
        members.push_back({std::string(name), place, std::move(value)});
        return members.back().value;
    }
    at->value = std::move(value);
    return at->value;
}

void Value::erase(std::string_view name) {
    std::erase_if(members, [&](const Member& member) { return member.name == name; });
}

std::optional<bool> Value::boolean() const {
    if (!is_scalar() || quoted) return std::nullopt;
    std::string lower = text;
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower == "true" || lower == "yes" || lower == "on") return true;
    if (lower == "false" || lower == "no" || lower == "off") return false;
    return std::nullopt;
}

std::optional<double> Value::number() const {
    if (!is_scalar() || text.empty()) return std::nullopt;
    const char* first = text.data() + (text.front() == '+' ? 1 : 0);
    const char* last = text.data() + text.size();
    double value = 0;
    auto [end, error] = std::from_chars(first, last, value);
    if (error != std::errc() || end != last || !(value - value == 0)) return std::nullopt;
    return value;
}

std::string Value::place() const { return fmt::format("{}:{}", file ? *file : "", line); }

Value Value::scalar(std::string text, const Value& at) {
    Value value;
    value.kind = Kind::scalar;
    value.text = std::move(text);
    value.file = at.file;
    value.line = at.line;
    return value;
}

Value Value::list(const Value& at) {
    Value value = scalar({}, at);
    value.kind = Kind::list;
    return value;
}

Value Value::map(const Value& at) {
    Value value = scalar({}, at);
    value.kind = Kind::map;
    return value;
}

base::Result<std::string> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    if (in) out << in.rdbuf();
    if (!in || in.bad() || (out.str().empty() && in.peek() != std::ifstream::traits_type::eof())) {
        return base::fail(base::ErrorKind::io, std::strerror(errno));
    }
    return out.str();
}

}  // namespace config
