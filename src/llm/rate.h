#pragma once

#include "base/clock.h"
#include "base/metric.h"

#include <optional>
#include <string>

namespace llm {

/// OpenRouter's two pools of an account: its free models, and those that cost credit.
inline constexpr std::string_view kOpenRouterFree = "openrouter-free";
inline constexpr std::string_view kOpenRouterPaid = "openrouter-paid";

/// What a reply says of one quota of the provider (provider-wire 0.4 and 1-9).
struct Rate {
    base::Metric metric = base::Metric::requests;
    std::string window{};  ///< minute, hour, day, month, 5h, 7d, 30s; empty: the reply doesn't say
    std::optional<double> limit{};      ///< above 0
    std::optional<double> remaining{};  ///< 0 or more
    std::optional<double> used{};
    std::optional<double> requested{};  ///< refusals of Groq and OpenAI: what this call needs
    /// As stated, 0 to 31 days; what it means depends on the limit's kind.
    std::optional<base::Duration> reset_in{};
    std::string pool{};    ///< of the account: "openrouter-free", "huggingface-router"
    bool refused = false;  ///< this is the quota for which the call was refused
};

}  // namespace llm
