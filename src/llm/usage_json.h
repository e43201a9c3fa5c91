#pragma once

#include "llm/chat_request.h"
#include "llm/splice.h"
#include "llm/usage.h"

#include <string>
#include <string_view>

namespace llm {

/// OpenAI's `usage` object, with the extra members that Groq, Mistral, Cerebras
/// and OpenRouter put in. Anything but an object: unknown usage.
Usage read_usage(std::string_view usage_json);

/// The same the other way round; estimated usage carries `"freeway_estimated":true`.
std::string usage_json(const Usage& usage);

/// Says in OpenAI's words how much of a `usage` that stands in the text of `splice` came from a
/// cache, where it says so in others' alone.
void show_cached(std::string_view usage, Splice& splice);

/// Four bytes a token, where nobody counts them.
std::uint64_t estimated_tokens(std::uint64_t bytes);

/// Made up from byte counts where the upstream states none.
Usage estimate_usage(const ChatRequest& request, std::uint64_t answer_bytes);

}  // namespace llm
