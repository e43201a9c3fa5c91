#pragma once

#include "base/provider.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace llm::embedding {

/// What one provider takes in a request for vectors (provider-wire sections 5, 6 and 8).
struct Rules {
    std::uint64_t most_inputs = 2048;
    std::uint64_t most_bytes = 0;  ///< of all inputs of a call together; 0: no bound known
    bool tokens = true;            ///< takes token ids
    bool base64 = false;           ///< may be asked for base64
    std::string_view dimensions = "dimensions";
    bool closed = false;  ///< knows the members of `allow` alone
    std::span<const std::string_view> allow{};
    std::span<const std::string_view> drop{};
};

const Rules& rules(base::Provider provider);

}  // namespace llm::embedding
