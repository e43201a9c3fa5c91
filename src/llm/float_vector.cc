#include "llm/float_vector.h"

#include "base/base64.h"
#include "llm/json.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace llm {
namespace {

using std::string_view;

constexpr std::size_t kFloatBytes = 4;

void put(float value, std::string& bytes) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (std::size_t i = 0; i < kFloatBytes; ++i)
        bytes += static_cast<char>(bits >> (8 * i) & 0xff);
}

float get(string_view bytes) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < kFloatBytes; ++i)
        bits |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return std::bit_cast<float>(bits);
}

std::optional<FloatVector> from_list(string_view json, bool base64) {
    FloatVector out;
    std::string bytes;
    json::Cursor in(json);
    in.enter_array();
    while (in.next_element()) {
        const std::optional<double> number = json::number(in.value());
        if (!number || !std::isfinite(static_cast<float>(*number))) return std::nullopt;
        if (base64) put(static_cast<float>(*number), bytes);
        ++out.length;
    }
    if (!in.complete() || out.length == 0) return std::nullopt;
    out.json = base64 ? '"' + base::base64(bytes) + '"' : std::string(json);
    return out;
}

std::optional<FloatVector> from_base64(string_view json, bool base64) {
    const std::optional<std::string> text = json::text(json);
    const auto bytes = text ? base::unbase64(*text) : std::nullopt;
    if (!bytes || bytes->empty() || bytes->size() % kFloatBytes != 0) return std::nullopt;
    FloatVector out;
    out.length = bytes->size() / kFloatBytes;
    for (std::size_t i = 0; i < out.length; ++i) {
        const float value = get(string_view(*bytes).substr(i * kFloatBytes, kFloatBytes));
        if (!std::isfinite(value)) return std::nullopt;
        if (base64) continue;
        fmt::format_to(std::back_inserter(out.json), "{}{}", i == 0 ? '[' : ',', value);
    }
    if (base64)
        out.json = json;
    else
        out.json += ']';
    return out;
}

}  // namespace

std::optional<FloatVector> float_vector(string_view json, bool base64) {
    if (json.starts_with('[')) return from_list(json, base64);
    return from_base64(json, base64);
}

}  // namespace llm
