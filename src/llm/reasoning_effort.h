#pragma once

#include "llm/dialect.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace llm {

/// Whether a model is known by its name to think when it is asked to, for targets whose
/// configuration does not say (provider-wire sections 5 to 7 and 12). Only for providers that
/// would refuse to be asked otherwise; the others are told whatever the client says.
bool known_to_reason(base::Provider provider, std::string_view model);

/// OpenAI's effort for a budget of thinking, the one scale: up to 1024, 2048, 8192 tokens and
/// above it is minimal, low, medium, high.
std::string_view effort_of_budget(std::uint64_t tokens);

}  // namespace llm

namespace llm::openai {

/// A `reasoning_effort` (none, minimal, low, medium, high, xhigh, max) in the words of this
/// target (provider-wire sections 1-5 and 8): the nearest that it accepts, or as it stands where
/// nothing is known of it. Empty: the target takes no such thing.
std::string effort_for(const Upstream& upstream, std::string_view wanted);

/// The effort that stands for `thinking` in Anthropic's shape. Empty: the model decides.
std::string_view effort_of_thinking(std::string_view thinking);

}  // namespace llm::openai
