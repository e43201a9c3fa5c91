#pragma once

#include <cstdint>
#include <optional>

namespace llm {

/// What one answer used. Tokens in OpenAI's sense: prompt includes cached tokens.
struct Usage {
    std::uint64_t prompt = 0;
    std::uint64_t completion = 0;
    std::uint64_t cached = 0;
    std::uint64_t cache_written = 0;  ///< part of prompt as well
    std::uint64_t reasoning = 0;
    double audio_seconds = 0;
    double images = 0;
    double characters = 0;           ///< spoken
    double inputs = 0;               ///< texts embedded, documents ranked
    std::optional<double> cost_usd;  ///< where the provider states it (OpenRouter)
    std::uint64_t load_ms = 0;       ///< it loaded the model for so long first (Ollama)
    bool known = false;              ///< the upstream sent it
    bool estimated = false;          ///< we made (a part of) it up from bytes: 4 a token
};

}  // namespace llm
