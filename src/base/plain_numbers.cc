#include "base/plain_numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace base {
namespace {

/// Beyond these a plain number is harder to read than the scientific form.
constexpr double kSmallest = 1e-12;
constexpr double kLargest = 1e15;

void append_plain(std::string_view number, std::string& out) {
    double value = 0;
    const auto [read, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    const double size = std::abs(value);
    const bool plain = error == std::errc() && read == number.data() + number.size() &&
                       (size == 0 || (size >= kSmallest && size <= kLargest));
    if (!plain) {
        out += number;
        return;
    }
    std::array<char, 64> text;
    const auto written = std::to_chars(text.data(), text.data() + text.size(),
                                       size == 0 ? 0 : value, std::chars_format::fixed);
    out.append(text.data(), written.ptr);
}

/// The end of the string that begins at `begin`.
std::size_t end_of_string(std::string_view json, std::size_t begin) {
    std::size_t at = begin + 1;
    while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
    return std::min(at + 1, json.size());
}

}  // namespace

std::string plain_numbers(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    std::size_t at = 0;
    while (at < json.size()) {
        const std::size_t next = std::min(json.find_first_of("\"-0123456789", at), json.size());
        out += json.substr(at, next - at);
        if (next == json.size()) break;
        const bool string = json[next] == '"';
        const std::size_t end =
            string ? end_of_string(json, next)
                   : std::min(json.find_first_not_of("+-.eE0123456789", next), json.size());
        const std::string_view token = json.substr(next, end - next);
        if (!string && token.find_first_of("eE") != token.npos)
            append_plain(token, out);
        else
            out += token;
        at = end;
    }
    return out;
}

}  // namespace base
