#pragma once

#include "llm/dialect.h"

#include <span>
#include <string_view>

namespace llm::openai {

struct Rename {
    std::string_view from;
    std::string_view to;
};

/// What one provider takes at the top level of a chat request
/// (provider-wire sections 1-5 and 8).
struct Rules {
    std::span<const std::string_view> allow{};  ///< a closed schema; empty: everything
    std::span<const std::string_view> drop{};
    std::span<const Rename> rename{};
    bool ask_usage = true;            ///< streams tell their usage only where they are asked
    bool one_choice = false;          ///< `n` may only be 1
    bool functions = true;            ///< knows tools in their first form, `functions`
    bool completions = false;         ///< serves /completions itself
    std::size_t most_stops = 0;       ///< texts that `stop` may have; 0: as many as one likes
    double hottest = 0;               ///< the highest temperature; 0: no bound is known
    std::string_view bound_output{};  ///< added where the client sets no bound, "" = never
};

/// The rules for this provider and model.
const Rules& rules(const Upstream& upstream);

/// A bound for the answer that reserves little quota: what a provider books
/// beforehand where the client names none.
inline constexpr std::uint64_t kDefaultOutputTokens = 4096;

}  // namespace llm::openai

namespace llm {

/// Whether a provider of OpenAI's protocol gives more than one answer to a request (`n`).
bool gives_choices(base::Provider provider);

}  // namespace llm
