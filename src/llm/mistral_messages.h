#pragma once

#include "llm/splice.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm::openai {

/// Mistral's messages inside `splice` (provider-wire section 5): known keys by role, `developer`
/// as `system`, ids and shape of calls, and the order that it demands. Every call has its result,
/// an assistant's turn stands between a result and the next words, and the last turn is not the
/// system's.
void edit_mistral_messages(std::string_view messages, Splice& splice,
                           std::vector<std::string>& changes);

}  // namespace llm::openai
