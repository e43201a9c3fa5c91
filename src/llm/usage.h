#pragma once

#include <cstdint>
#include <optional>

namespace llm {

/// Tokens of one answer in OpenAI's sense: prompt includes cached tokens.
struct Usage {
    std::uint64_t prompt = 0;
    std::uint64_t completion = 0;
    std::uint64_t cached = 0;
    std::uint64_t reasoning = 0;
    std::optional<double> cost_usd;  ///< where the provider states it (OpenRouter)
    bool known = false;              ///< the upstream sent it
    bool estimated = false;          ///< we made it up from byte counts (4 bytes a token)
};

}  // namespace llm
