#include "base/base64.h"

#include <array>
#include <cstdint>

namespace base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> values() {
    std::array<std::uint8_t, 256> table{};
    table.fill(kNone);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
        table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}
constexpr auto kValues = values();

}  // namespace

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3), '=');
    std::size_t at = 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3) {
        const unsigned group =
            static_cast<unsigned>(byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2));
        out[at++] = kAlphabet[group >> 18];
        out[at++] = kAlphabet[group >> 12 & 63];
        out[at++] = kAlphabet[group >> 6 & 63];
        out[at++] = kAlphabet[group & 63];
    }
    if (i == bytes.size()) return out;
    const bool two = i + 2 == bytes.size();
    const unsigned group = static_cast<unsigned>(byte(i) << 16 | (two ? byte(i + 1) << 8 : 0));
    out[at++] = kAlphabet[group >> 18];
    out[at++] = kAlphabet[group >> 12 & 63];
    if (two) out[at++] = kAlphabet[group >> 6 & 63];
    return out;
}

std::optional<std::string> unbase64(std::string_view text) {
    while (text.ends_with('=') || text.ends_with('\n') || text.ends_with('\r'))
        text.remove_suffix(1);
    std::string out;
    out.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t group = 0;
    int digits = 0;
    for (const char c : text) {
        const std::uint8_t value = kValues[static_cast<unsigned char>(c)];
        if (value == kNone) {
            if (c == '\n' || c == '\r') continue;
            return std::nullopt;
        }
        group = group << 6 | value;
        if (++digits < 4) continue;
        out += static_cast<char>(group >> 16);
        out += static_cast<char>(group >> 8 & 0xff);
        out += static_cast<char>(group & 0xff);
        group = 0;
        digits = 0;
    }
    if (digits == 1) return std::nullopt;
    if (digits >= 2) out += static_cast<char>(group >> (digits == 2 ? 4 : 10) & 0xff);
    if (digits == 3) out += static_cast<char>(group >> 2 & 0xff);
    return out;
}

}  // namespace base
