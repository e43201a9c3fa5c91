#pragma once

#include <optional>
#include <string_view>

namespace base {

/// What a limit counts, in configuration, headers and the ledger.
enum class Metric {
    requests,
    tokens,  ///< prompt and completion together
    input_tokens,
    output_tokens,
    audio_seconds,
    images,
    inputs,  ///< texts of an embedding or rerank call
    usd,
    concurrency,  ///< attempts under way: given back when they end
    utilization,  ///< share of a plan that is used, 0 to 1; only headers move it
};

constexpr std::string_view name(Metric metric) {
    switch (metric) {
        case Metric::requests: return "requests";
        case Metric::tokens: return "tokens";
        case Metric::input_tokens: return "input_tokens";
        case Metric::output_tokens: return "output_tokens";
        case Metric::audio_seconds: return "audio_seconds";
        case Metric::images: return "images";
        case Metric::inputs: return "inputs";
        case Metric::usd: return "usd";
        case Metric::concurrency: return "concurrency";
        case Metric::utilization: return "utilization";
    }
    return "requests";
}

constexpr std::optional<Metric> metric_named(std::string_view word) {
    for (int i = 0; i <= static_cast<int>(Metric::utilization); ++i)
        if (name(static_cast<Metric>(i)) == word) return static_cast<Metric>(i);
    return std::nullopt;
}

}  // namespace base
