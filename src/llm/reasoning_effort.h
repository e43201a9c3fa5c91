#pragma once

#include "llm/dialect.h"

#include <string>
#include <string_view>

namespace llm::openai {

/// A `reasoning_effort` (none, minimal, low, medium, high, xhigh, max) in the words of this
/// target (provider-wire sections 1-5 and 8): the nearest that it accepts, or as it stands where
/// nothing is known of it. Empty: the target takes no such thing.
std::string effort_for(const Upstream& upstream, std::string_view wanted);

/// The effort that stands for `thinking` in Anthropic's shape. Empty: the model decides.
std::string_view effort_of_thinking(std::string_view thinking);

}  // namespace llm::openai
