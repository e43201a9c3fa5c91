#include "llm/multipart.h"

#include "base/units.h"

#include <algorithm>

namespace llm {

using base::ErrorKind;
using base::fail;
using base::Result;

namespace {

constexpr std::size_t kLongestBoundary = 70;

std::string_view trimmed(std::string_view text) {
    const std::size_t from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(" \t") + 1 - from);
}

/// The value at the start of `rest`, a token or a quoted string; `rest` continues behind it.
/// Only `\"` and `\\` are escapes: some clients send paths with backslashes.
std::string take_value(std::string_view& rest) {
    if (!rest.starts_with('"')) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        std::string value(trimmed(rest.substr(0, end)));
        rest.remove_prefix(end);
        return value;
    }
    std::string value;
    std::size_t at = 1;
    for (; at < rest.size() && rest[at] != '"'; ++at) {
        const bool escape = rest[at] == '\\' && at + 1 < rest.size() &&
                            (rest[at + 1] == '"' || rest[at + 1] == '\\');
        if (escape) ++at;
        value += rest[at];
    }
    rest.remove_prefix(std::min(rest.size(), at + 1));
    return value;
}

/// One `name=value` after a semicolon; false at the end.
bool next_parameter(std::string_view& rest, std::string_view& name, std::string& value) {
    const std::size_t semicolon = rest.find(';');
    if (semicolon == std::string_view::npos) return false;
    rest.remove_prefix(semicolon + 1);
    const std::size_t equals = rest.find_first_of("=;");
    name = trimmed(rest.substr(0, equals));
    value.clear();
    if (equals == std::string_view::npos || rest[equals] == ';') {
        rest.remove_prefix(std::min(equals, rest.size()));
        return true;
    }
    rest.remove_prefix(equals + 1);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    value = take_value(rest);
    return true;
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// `UTF-8''na%C3%AFve.wav` (RFC 5987) as text.
std::string extended(std::string_view value) {
    const std::size_t first = value.find('\'');
    const std::size_t second = value.find('\'', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos)
        return std::string(value);
    std::string out;
    for (std::size_t i = second + 1; i < value.size(); ++i) {
        const bool coded = value[i] == '%' && i + 2 < value.size() && hex(value[i + 1]) >= 0 &&
                           hex(value[i + 2]) >= 0;
        out += coded ? static_cast<char>(hex(value[i + 1]) * 16 + hex(value[i + 2])) : value[i];
        if (coded) i += 2;
    }
    return out;
}

Result<void> read_disposition(std::string_view value, PartHead& head) {
    std::string_view rest = value;
    if (!base::iequals(trimmed(value.substr(0, value.find(';'))), "form-data"))
        return fail(ErrorKind::bad_input,
                    "a part's Content-Disposition must be form-data; see RFC 7578");
    std::string_view name;
    std::string text;
    while (next_parameter(rest, name, text)) {
        if (base::iequals(name, "name"))
            head.name = text;
        else if (base::iequals(name, "filename") && !head.filename)
            head.filename = text;
        else if (base::iequals(name, "filename*"))
            head.filename = extended(text);
    }
    return {};
}

Result<PartHead> read_head(std::string_view text) {
    PartHead head;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find("\r\n"));
        text.remove_prefix(std::min(text.size(), line.size() + 2));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos)
            return fail(ErrorKind::bad_input, "a part has a header line without a colon");
        const std::string_view name = trimmed(line.substr(0, colon));
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (base::iequals(name, "content-disposition")) {
            if (auto read = read_disposition(value, head); !read)
                return std::unexpected(read.error());
        } else if (base::iequals(name, "content-type")) {
            head.content_type = value;
        } else if (base::iequals(name, "content-transfer-encoding") &&
                   (base::iequals(value, "base64") || base::iequals(value, "quoted-printable"))) {
            return fail(ErrorKind::bad_input, "a part is encoded as " + base::shown(value, 40) +
                                                  "; send its bytes as they are");
        }
    }
    if (head.name.empty())
        return fail(ErrorKind::bad_input,
                    "a part has no name: each needs Content-Disposition: form-data; name=\"…\"");
    return head;
}

/// As browsers write it into a quoted string, backslashes escaped: one at the end would take the
/// quote with it.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"')
            out += "%22";
        else if (c == '\\')
            out += "\\\\";
        else if (c == '\r')
            out += "%0D";
        else if (c == '\n')
            out += "%0A";
        else
            out += c;
    }
    return out + '"';
}

}  // namespace

Result<std::string> boundary_of(std::string_view content_type) {
    std::string_view rest = content_type;
    if (!base::iequals(trimmed(content_type.substr(0, content_type.find(';'))),
                       "multipart/form-data"))
        return fail(ErrorKind::bad_input,
                    "the body must be multipart/form-data; Content-Type says " +
                        (content_type.empty() ? "nothing" : base::shown(content_type, 100)));
    std::string_view name;
    std::string value;
    while (next_parameter(rest, name, value)) {
        if (!base::iequals(name, "boundary")) continue;
        const bool plain =
            std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
        if (value.empty() || value.size() > kLongestBoundary || value.back() == ' ' || !plain)
            break;
        return value;
    }
    return fail(ErrorKind::bad_input,
                "Content-Type: multipart/form-data needs a boundary of 1 to 70 characters; let "
                "your HTTP library set the header");
}

MultipartReader::MultipartReader(std::string_view boundary)
    : delimiter_("\r\n--" + std::string(boundary)), buffer_("\r\n") {}

void MultipartReader::feed(std::string_view bytes) {
    if (done()) return;
    buffer_.erase(0, begin_);
    begin_ = 0;
    buffer_ += bytes;
}

Result<MultipartReader::Event> MultipartReader::next() {
    switch (state_) {
        case State::preamble: return preamble();
        case State::boundary: return after_boundary();
        case State::head: return head();
        case State::data: return data();
        case State::done: break;
    }
    return Event{};
}

Result<MultipartReader::Event> MultipartReader::preamble() {
    const std::size_t at = left().find(delimiter_);
    if (at == std::string_view::npos) {
        if (left().size() > kMostPreamble)
            return fail(ErrorKind::bad_input,
                        "the boundary that Content-Type states does not come in the body");
        return Event{};
    }
    begin_ += at + delimiter_.size();
    state_ = State::boundary;
    return after_boundary();
}

Result<MultipartReader::Event> MultipartReader::after_boundary() {
    const std::string_view rest = left();
    if (rest.starts_with("--")) {
        state_ = State::done;
        buffer_.clear();
        begin_ = 0;
        return Event{};
    }
    const std::size_t text = rest.find_first_not_of(" \t");
    const std::string_view line = rest.substr(std::min(text, rest.size()));
    if (line.starts_with("\r\n")) {
        begin_ += text;
        state_ = State::head;
        return head();
    }
    const bool cut = line.empty() || line == "\r" || rest == "-";
    if (!cut || rest.size() > kMostHead)
        return fail(ErrorKind::bad_input, "a boundary is followed by neither a line end nor --");
    return Event{};
}

/// The line end of the delimiter is still there: a part without headers ends its head at once.
Result<MultipartReader::Event> MultipartReader::head() {
    const std::size_t size = left().find("\r\n\r\n");
    if (std::min(size, left().size()) > kMostHead)
        return fail(ErrorKind::bad_input, "a part's head is longer than 16 KB");
    if (size == std::string_view::npos) return Event{};
    if (++parts_ > kMostParts)
        return fail(ErrorKind::bad_input, "the body has more than 256 parts");
    auto read = read_head(left().substr(2, size < 2 ? 0 : size - 2));
    if (!read) return std::unexpected(read.error());
    part_ = std::move(*read);
    begin_ += size + 4;
    state_ = State::data;
    return Event{Kind::part, {}};
}

Result<MultipartReader::Event> MultipartReader::data() {
    const std::string_view rest = left();
    const std::size_t at = rest.find(delimiter_);
    if (at == 0) {
        begin_ += delimiter_.size();
        state_ = State::boundary;
        return Event{Kind::end, {}};
    }
    std::size_t size = at;
    if (at == std::string_view::npos) {
        // What may be the beginning of a delimiter waits.
        const std::size_t from = rest.size() - std::min(rest.size(), delimiter_.size() - 1);
        std::size_t tail = rest.find('\r', from);
        while (tail != std::string_view::npos && !delimiter_.starts_with(rest.substr(tail)))
            tail = rest.find('\r', tail + 1);
        size = std::min(tail, rest.size());
        if (size == 0) return Event{};
    }
    begin_ += size;
    return Event{Kind::data, rest.substr(0, size)};
}

void append_part(std::string& out, std::string_view boundary, const PartHead& head) {
    out += "--";
    out += boundary;
    out += "\r\nContent-Disposition: form-data; name=" + quoted(head.name);
    if (head.filename) out += "; filename=" + quoted(*head.filename);
    out += "\r\n";
    if (!head.content_type.empty()) {
        const bool plain = std::ranges::none_of(
            head.content_type, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
        out += "Content-Type: " + (plain ? head.content_type : "application/octet-stream") + "\r\n";
    }
    out += "\r\n";
}

void append_field(std::string& out, std::string_view boundary, std::string_view name,
                  std::string_view value) {
    append_part(out, boundary, {std::string(name)});
    out += value;
    out += "\r\n";
}

void append_closing(std::string& out, std::string_view boundary) {
    out += "--";
    out += boundary;
    out += "--\r\n";
}

}  // namespace llm
