#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// A vector as JSON, in one of two ways: a list of numbers, or OpenAI's base64 of little-endian
/// 32-bit floats with its quotes.
struct FloatVector {
    std::string json;
    std::size_t length = 0;
};

/// `json`, given in either way, in the way that `base64` says; one that is so already stays byte
/// for byte. nullopt: empty, or something in it is no finite number.
std::optional<FloatVector> float_vector(std::string_view json, bool base64);

}  // namespace llm
