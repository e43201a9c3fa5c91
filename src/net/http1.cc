#include "net/http1.h"

#include "base/units.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace net {
namespace {

using base::ErrorKind;
using base::fail;

constexpr bool is_token(char c) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
}

constexpr std::array<bool, 256> kToken = [] {
    std::array<bool, 256> table{};
    for (int c = 0; c < 256; ++c)
        table[static_cast<std::size_t>(c)] = is_token(static_cast<char>(c));
    return table;
}();

bool all_token(std::string_view text) {
    for (const char c : text)
        if (!kToken[static_cast<unsigned char>(c)]) return false;
    return !text.empty();
}

std::string_view trim_blank(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool valid_value(std::string_view text) {
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if ((u < 0x20 && c != '\t') || u == 0x7f) return false;
    }
    return true;
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

/// The first item of a comma-separated list, which is taken from it.
std::string_view next_item(std::string_view& list) {
    const std::size_t comma = list.find(',');
    const std::string_view item = trim_blank(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    return item;
}

bool list_has(std::string_view list, std::string_view word) {
    while (!list.empty())
        if (base::iequals(next_item(list), word)) return true;
    return false;
}

/// Of `timeout=5, max=100`.
std::optional<base::Duration> stated_time(std::string_view list) {
    constexpr std::string_view kName = "timeout=";
    constexpr std::uint64_t kMost = 86'400;
    while (!list.empty()) {
        const std::string_view item = next_item(list);
        if (!base::iequals(item.substr(0, kName.size()), kName)) continue;
        const auto seconds = parse_length(item.substr(kName.size()));
        if (seconds) return std::chrono::seconds(std::min(*seconds, kMost));
    }
    return std::nullopt;
}

}  // namespace

/// The header section shared by both kinds of head, and what framing needs of it.
struct HeadParser {
    explicit HeadParser(std::string_view bytes) : rest(bytes) {}

    std::string_view rest;
    std::size_t lengths = 0;
    std::string_view length_text;
    bool same_lengths = true;
    std::size_t encodings = 0;
    std::string_view encoding;
    bool says_close = false;
    bool says_keep_alive = false;
    std::optional<base::Duration> kept_for;
    std::size_t hosts = 0;

    /// Takes one line; false if it does not end in CRLF or holds a stray CR.
    bool line(std::string_view& out) {
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos || end == 0 || rest[end - 1] != '\r') return false;
        out = rest.substr(0, end - 1);
        rest.remove_prefix(end + 1);
        return out.find('\r') == std::string_view::npos;
    }

    std::optional<Refusal> headers(Headers& out) {
        out.list_.reserve(16);
        for (;;) {
            std::string_view text;
            if (!line(text)) return Refusal{400, "a header line does not end in CRLF"};
            if (text.empty()) return std::nullopt;
            if (text[0] == ' ' || text[0] == '\t') return Refusal{400, "a folded header line"};
            const std::size_t colon = text.find(':');
            if (colon == std::string_view::npos || !all_token(text.substr(0, colon)))
                return Refusal{400, "a header line without a valid name"};
            const Header header{text.substr(0, colon), trim_blank(text.substr(colon + 1))};
            if (!valid_value(header.value))
                return Refusal{400, "a control character in a header value"};
            if (out.list_.size() == kMaxHeaders) return Refusal{431, "too many headers"};
            out.list_.push_back(header);
            note(header);
        }
    }

    void note(const Header& header) {
        switch (header.name.size()) {
            case 4:
                if (base::iequals(header.name, "host")) ++hosts;
                break;
            case 10:
                if (base::iequals(header.name, "keep-alive")) kept_for = stated_time(header.value);
                if (!base::iequals(header.name, "connection")) break;
                says_close = says_close || list_has(header.value, "close");
                says_keep_alive = says_keep_alive || list_has(header.value, "keep-alive");
                break;
            case 14:
                if (!base::iequals(header.name, "content-length")) break;
                same_lengths = same_lengths && (lengths == 0 || header.value == length_text);
                length_text = header.value;
                ++lengths;
                break;
            case 17:
                if (!base::iequals(header.name, "transfer-encoding")) break;
                encoding = header.value;
                ++encodings;
                break;
            default: break;
        }
    }
};

std::string_view Headers::get(std::string_view name) const {
    for (const Header& header : list_)
        if (base::iequals(header.name, name)) return header.value;
    return {};
}

bool Headers::has(std::string_view name) const {
    for (const Header& header : list_)
        if (base::iequals(header.name, name)) return true;
    return false;
}

std::size_t head_length(std::string_view bytes, std::size_t already_searched) {
    std::size_t from = already_searched > 3 ? already_searched - 3 : 0;
    for (std::size_t lf = bytes.find('\n', from); lf != std::string_view::npos;
         lf = bytes.find('\n', lf + 1)) {
        if (lf == 0 || bytes[lf - 1] != '\r') return lf + 1;
        if (lf >= 3 && bytes[lf - 2] == '\n') return lf + 1;
    }
    return 0;
}

namespace {

std::optional<Refusal> parse_request_line(std::string_view text, RequestHead& head) {
    const std::size_t first = text.find(' ');
    const std::size_t second = text.rfind(' ');
    if (first == std::string_view::npos || second <= first + 1)
        return Refusal{400, "not a request line"};
    head.method = text.substr(0, first);
    head.target = text.substr(first + 1, second - first - 1);
    const std::string_view version = text.substr(second + 1);
    if (!all_token(head.method)) return Refusal{400, "not a method"};
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        if (version.starts_with("HTTP/")) return Refusal{505, "only HTTP/1.1 is spoken here"};
        return Refusal{400, "not an HTTP version"};
    }
    head.http10 = version == "HTTP/1.0";
    if (head.target.size() > kMaxTarget) return Refusal{414, "the request target is too long"};
    for (const char c : head.target)
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
            return Refusal{400, "a character in the request target that must be encoded"};
    std::string_view path = head.target;
    if (path.starts_with("http://") || path.starts_with("https://")) {
        const std::size_t end = path.find_first_of("/?#", path.find("//") + 2);
        const bool has_path = end != std::string_view::npos && path[end] == '/';
        path = has_path ? path.substr(end) : std::string_view("/");
    } else if (!path.starts_with('/') && path != "*") {
        return Refusal{400, "the request target is not a path"};
    }
    const std::size_t mark = path.find('?');
    head.path = path.substr(0, mark);
    if (mark != std::string_view::npos) head.query = path.substr(mark + 1);
    return std::nullopt;
}

std::optional<Refusal> frame(const HeadParser& parser, RequestHead& head) {
    if (parser.lengths > 1) return Refusal{400, "more than one Content-Length"};
    if (parser.encodings > 1) return Refusal{400, "more than one Transfer-Encoding"};
    if (parser.lengths && parser.encodings)
        return Refusal{400, "Content-Length beside Transfer-Encoding"};
    if (parser.encodings) {
        if (head.http10) return Refusal{400, "Transfer-Encoding in HTTP/1.0"};
        if (!base::iequals(parser.encoding, "chunked"))
            return Refusal{400, "a transfer coding other than chunked"};
        head.framing = Framing::chunked;
    } else if (parser.lengths) {
        const auto length = parse_length(parser.length_text);
        if (!length) return Refusal{400, "Content-Length is not a number"};
        head.content_length = *length;
        head.framing = *length > 0 ? Framing::length : Framing::none;
    }
    if (parser.hosts > 1 || (parser.hosts == 0 && !head.http10))
        return Refusal{400, "exactly one Host header is needed"};
    return std::nullopt;
}

}  // namespace

std::optional<Refusal> parse(std::string bytes, RequestHead& head) {
    head.bytes = std::move(bytes);
    HeadParser parser(head.bytes);
    std::string_view line;
    if (!parser.line(line)) return Refusal{400, "the request line does not end in CRLF"};
    if (auto refusal = parse_request_line(line, head)) return refusal;
    if (auto refusal = parser.headers(head.headers)) return refusal;
    if (!parser.rest.empty()) return Refusal{400, "bytes after the head"};
    if (auto refusal = frame(parser, head)) return refusal;
    head.keep_alive = !parser.says_close && (!head.http10 || parser.says_keep_alive);
    if (const std::string_view expect = head.headers.get("expect"); !expect.empty()) {
        if (!base::iequals(expect, "100-continue"))
            return Refusal{417, "an expectation other than 100-continue"};
        head.expect_continue = true;
    }
    return std::nullopt;
}

base::Result<void> parse(std::string bytes, ResponseHead& head, bool bodiless) {
    head.bytes = std::move(bytes);
    HeadParser parser(head.bytes);
    std::string_view line;
    const bool shaped = parser.line(line) && line.size() >= 12 && line.starts_with("HTTP/1.") &&
                        (line[7] == '0' || line[7] == '1') && line[8] == ' ' &&
                        (line.size() == 12 || line[12] == ' ');
    if (!shaped) return fail(ErrorKind::protocol, "the upstream's status line is not HTTP/1.1");
    const auto status = parse_length(line.substr(9, 3));
    if (!status || *status < 100 || *status > 599)
        return fail(ErrorKind::protocol, "the upstream's status is not a number");
    head.status = static_cast<int>(*status);
    const bool http10 = line[7] == '0';
    if (const auto refusal = parser.headers(head.headers))
        return fail(ErrorKind::protocol, "upstream: " + std::string(refusal->reason));
    head.keep_alive = !parser.says_close && (!http10 || parser.says_keep_alive);
    head.kept_for = parser.kept_for;
    if (bodiless || head.status < 200 || head.status == 204 || head.status == 304) {
        head.framing = Framing::none;
        return {};
    }
    if (parser.encodings) {
        if (parser.encodings > 1 || !base::iequals(parser.encoding, "chunked"))
            return fail(ErrorKind::protocol,
                        "the upstream uses a transfer coding other than chunked");
        head.framing = Framing::chunked;
        if (parser.lengths) head.keep_alive = false;
        return {};
    }
    if (!parser.lengths) {
        head.framing = Framing::until_close;
        head.keep_alive = false;
        return {};
    }
    const auto length = parse_length(parser.length_text);
    if (!length || !parser.same_lengths)
        return fail(ErrorKind::protocol, "the upstream's Content-Length is not one number");
    head.content_length = *length;
    head.framing = *length > 0 ? Framing::length : Framing::none;
    return {};
}

namespace {
constexpr std::size_t kMaxChunkOverhead = 16u << 10;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}
}  // namespace

base::Result<std::size_t> ChunkDecoder::decode(char* bytes, std::size_t size, std::size_t& used) {
    std::size_t out = 0;
    std::size_t in = 0;
    while (in < size && state_ != State::done) {
        if (state_ == State::data) {
            const std::size_t take =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - in));
            if (out != in) std::char_traits<char>::move(bytes + out, bytes + in, take);
            out += take;
            in += take;
            left_ -= take;
            if (left_ == 0) state_ = State::data_cr;
            continue;
        }
        if (auto stepped = step(bytes[in++]); !stepped) return std::unexpected(stepped.error());
    }
    used = in;
    return out;
}

base::Result<void> ChunkDecoder::step(char c) {
    const auto broken = [](const char* what) { return fail(ErrorKind::protocol, what); };
    const auto expect = [&](char wanted, State next) -> base::Result<void> {
        if (c != wanted) return broken("a chunk is not closed by CRLF");
        state_ = next;
        return {};
    };
    switch (state_) {
        case State::size: {
            const int digit = hex_digit(c);
            if (digit >= 0) {
                if (++digits_ > 15) return broken("a chunk size is too large");
                left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
                return {};
            }
            if (digits_ == 0) return broken("a chunk without a size");
            if (c == '\r') return state_ = State::size_lf, base::Result<void>();
            if (c == ';' || c == ' ' || c == '\t')
                return state_ = State::extension, base::Result<void>();
            return broken("a chunk size is not hexadecimal");
        }
        case State::extension:
            if (c == '\n') return broken("a chunk extension with a bare LF");
            if (++overhead_ > kMaxChunkOverhead) return broken("chunk extensions are too long");
            if (c == '\r') state_ = State::size_lf;
            return {};
        case State::size_lf: {
            const bool last = left_ == 0;
            digits_ = 0;
            return expect('\n', last ? State::trailer : State::data);
        }
        case State::data_cr: return expect('\r', State::data_lf);
        case State::data_lf: return expect('\n', State::size);
        case State::trailer:
            if (c == '\r') return state_ = State::last_lf, base::Result<void>();
            state_ = State::trailer_line;
            [[fallthrough]];
        case State::trailer_line:
            if (c == '\n') return broken("a trailer with a bare LF");
            if (++overhead_ > kMaxChunkOverhead) return broken("trailers are too long");
            if (c == '\r') state_ = State::trailer_lf;
            return {};
        case State::trailer_lf: return expect('\n', State::trailer);
        case State::last_lf: return expect('\n', State::done);
        case State::data:
        case State::done: break;
    }
    return {};
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
}

bool valid_header_value(std::string_view value) { return valid_value(value); }

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 204: return "No Content";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "Status";
    }
}

}  // namespace net
