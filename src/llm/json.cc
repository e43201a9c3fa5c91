#include "llm/json.h"

#include <bit>
#include <bitset>
#include <charconv>
#include <cmath>
#include <cstring>

namespace llm::json {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

static_assert(std::endian::native == std::endian::little);

/// Eight bytes at once: the lowest bit set marks the first byte that is a quote, a
/// backslash or a control byte. (Higher ones may be wrong: a borrow runs upwards.)
std::uint64_t special_bits(const char* bytes) {
    constexpr std::uint64_t kOnes = 0x0101010101010101u;
    constexpr std::uint64_t kTops = 0x8080808080808080u;
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    auto below = [](std::uint64_t v, std::uint64_t limit) {
        return (v - kOnes * limit) & ~v & kTops;
    };
    return below(word ^ (kOnes * '"'), 1) | below(word ^ (kOnes * '\\'), 1) | below(word, 0x20);
}

/// The same question for a long block; compilers make vector instructions of it.
constexpr std::size_t kBlock = 64;
bool block_has_special(const char* block) {
    unsigned char found = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
        auto c = static_cast<unsigned char>(block[i]);
        found = static_cast<unsigned char>(found | (c == '"') | (c == '\\') | (c < 0x20));
    }
    return found != 0;
}

/// Index of the first byte at or after `from` that ends a run of plain string
/// bytes. Most strings are short keys, some are long prompts.
std::size_t plain_end(std::string_view text, std::size_t from) {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    for (std::size_t words = 0; from + kWord <= text.size(); ++words, from += kWord) {
        if (words % 8 == 4)
            while (from + kBlock + kWord <= text.size() && !block_has_special(text.data() + from))
                from += kBlock;
        if (std::uint64_t bits = special_bits(text.data() + from); bits != 0)
            return from + static_cast<std::size_t>(std::countr_zero(bits)) / 8;
    }
    while (from < text.size()) {
        auto c = static_cast<unsigned char>(text[from]);
        if (c == '"' || c == '\\' || c < 0x20) break;
        ++from;
    }
    return from;
}

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// The code unit of four hex digits at `at`, or -1.
int hex4(std::string_view text, std::size_t at) {
    if (at + 4 > text.size()) return -1;
    int unit = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
        int digit = hex_value(text[i]);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

void append_utf8(std::string& out, std::uint32_t code) {
    auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | code >> 6);
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

enum class Halves { replaced, kept };

/// Decodes `\uXXXX` (and its low half) whose digits start at `at`; moves `at` past them.
std::uint32_t unicode_escape(std::string_view text, std::size_t& at, Halves halves) {
    constexpr std::uint32_t kReplacement = 0xFFFD;
    int high = hex4(text, at);
    at = std::min(at + 4, text.size());
    if (high < 0) return kReplacement;
    auto code = static_cast<std::uint32_t>(high);
    if (code < 0xD800 || code > 0xDFFF) return code;
    const std::uint32_t alone = halves == Halves::kept ? code : kReplacement;
    if (code > 0xDBFF || text.substr(at, 2) != "\\u") return alone;
    int low = hex4(text, at + 2);
    if (low < 0xDC00 || low > 0xDFFF) return alone;
    at += 6;
    return 0x10000 + ((code - 0xD800) << 10) + (static_cast<std::uint32_t>(low) - 0xDC00);
}

char simple_escape(char c) {
    switch (c) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return c;
    }
}

std::string decoded(std::string_view in, Halves halves) {
    std::string out;
    out.reserve(in.size());
    std::size_t at = 0;
    while (at < in.size()) {
        std::size_t escape = std::min(in.find('\\', at), in.size());
        out.append(in, at, escape - at);
        at = escape + 2;
        if (at > in.size()) break;
        char c = in[escape + 1];
        if (c == 'u')
            append_utf8(out, unicode_escape(in, at, halves));
        else
            out.push_back(simple_escape(c));
    }
    return out;
}

std::optional<std::string> text_with(std::string_view value, Halves halves) {
    if (value.size() < 2 || value.front() != '"') return std::nullopt;
    return decoded(value.substr(1, value.size() - 2), halves);
}

}  // namespace

bool Cursor::fail() {
    failed_ = true;
    return false;
}

void Cursor::space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

char Cursor::peek() {
    space();
    return failed_ || at_ >= text_.size() ? '\0' : text_[at_];
}

bool Cursor::enter(char bracket) {
    if (peek() != bracket) return fail();
    ++at_;
    fresh_ = true;
    return true;
}

bool Cursor::separator(char closing) {
    char c = peek();
    if (c == '\0') return fail();
    if (c == closing) {
        ++at_;
        fresh_ = false;
        return false;
    }
    if (!fresh_) {
        if (c != ',') return fail();
        ++at_;
    }
    fresh_ = false;
    return true;
}

bool Cursor::next_element() { return !failed_ && separator(']'); }

bool Cursor::next_member(std::string_view& key) {
    if (failed_ || !separator('}')) return false;
    if (peek() != '"') return fail();
    std::size_t begin = at_ + 1;
    if (!string()) return fail();
    key = text_.substr(begin, at_ - begin - 1);
    if (peek() != ':') return fail();
    ++at_;
    return true;
}

bool Cursor::literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
}

bool Cursor::number() {
    auto digits = [this] {
        std::size_t begin = at_;
        while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
        return at_ > begin;
    };
    auto take = [this](char c) {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    };
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
        if (!take('+')) take('-');
        if (!digits()) return false;
    }
    return true;
}

bool Cursor::string() {
    ++at_;
    for (;;) {
        at_ = plain_end(text_, at_);
        if (at_ >= text_.size()) return false;
        char c = text_[at_];
        if (c == '"') {
            ++at_;
            return true;
        }
        if (c != '\\' || at_ + 1 >= text_.size()) return false;
        char escaped = text_[at_ + 1];
        if (escaped == 'u' && hex4(text_, at_ + 2) < 0) return false;
        constexpr std::string_view kEscapes = "\"\\/bfnrtu";
        if (kEscapes.find(escaped) == kEscapes.npos) return false;
        at_ += escaped == 'u' ? 6 : 2;
    }
}

bool Cursor::scalar() {
    switch (at_ < text_.size() ? text_[at_] : '\0') {
        case '"': return string();
        case 't': return literal("true");
        case 'f': return literal("false");
        case 'n': return literal("null");
        default: return number();
    }
}

/// Passes over an object or array without recursion: one bit per open bracket.
bool Cursor::container() {
    std::bitset<kMaxDepth> is_object;
    std::size_t depth = 0;
    do {
        char c = peek();
        bool opens = c == '{' || c == '[';
        if (opens) {
            if (depth == kMaxDepth) return false;
            is_object[depth++] = c == '{';
            ++at_;
            fresh_ = true;
        } else if (!scalar()) {
            return false;
        }
        std::string_view key;
        while (depth > 0 && !(is_object[depth - 1] ? next_member(key) : next_element())) {
            if (failed_) return false;
            --depth;
        }
    } while (depth > 0);
    return true;
}

std::string_view Cursor::value() {
    char c = peek();
    std::size_t begin = at_;
    bool good = c == '{' || c == '[' ? container() : c != '\0' && scalar();
    if (!good || failed_) {
        fail();
        return {};
    }
    return text_.substr(begin, at_ - begin);
}

bool Cursor::complete() {
    space();
    return !failed_ && at_ == text_.size();
}

std::string unescape(std::string_view in) { return decoded(in, Halves::replaced); }

std::optional<std::string> text(std::string_view value) {
    return text_with(value, Halves::replaced);
}

std::optional<std::string> piece(std::string_view value) { return text_with(value, Halves::kept); }

std::optional<bool> boolean(std::string_view value) {
    if (value == "true") return true;
    if (value == "false") return false;
    return std::nullopt;
}

std::optional<double> number(std::string_view value) {
    double result = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
    return result;
}

std::optional<std::uint64_t> count(std::string_view value) {
    std::uint64_t whole = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), whole);
    if (error == std::errc() && end == value.data() + value.size()) return whole;
    std::optional<double> real = number(value);
    constexpr double kLimit = 9007199254740992.0;  // above it a double skips whole numbers
    if (!real || *real < 0 || *real > kLimit || *real != std::floor(*real)) return std::nullopt;
    return static_cast<std::uint64_t>(*real);
}

std::string quote(std::string_view in) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    out.reserve(in.size() + 2);
    out.push_back('"');
    for (std::size_t at = 0; at < in.size();) {
        std::size_t end = plain_end(in, at);
        out.append(in, at, end - at);
        at = end + 1;
        if (end == in.size()) break;
        auto c = static_cast<unsigned char>(in[end]);
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                out += "\\u00";
                out.push_back(kHex[c >> 4]);
                out.push_back(kHex[c & 15]);
        }
    }
    out.push_back('"');
    return out;
}

std::string_view member(std::string_view object, std::string_view key) {
    if (!object.starts_with('{')) return {};
    Cursor in(object);
    std::string_view found;
    in.enter_object();
    while (in.next_member(found)) {
        std::string_view value = in.value();
        if (found == key) return value;
    }
    return {};
}

bool blank(std::string_view value) {
    if (value.empty() || value == "null" || value == "\"\"") return true;
    if (value.front() != '[' && value.front() != '{') return false;
    Cursor in(value);
    std::string_view key;
    return value.front() == '[' ? in.enter_array() && !in.next_element()
                                : in.enter_object() && !in.next_member(key);
}

}  // namespace llm::json
