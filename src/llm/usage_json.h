#pragma once

#include "llm/chat_request.h"
#include "llm/usage.h"

#include <string>
#include <string_view>

namespace llm {

/// OpenAI's `usage` object, with the extra members that Groq, Mistral, Cerebras
/// and OpenRouter put in. Anything but an object: unknown usage.
Usage read_usage(std::string_view usage_json);

/// The same the other way round; estimated usage carries `"freeway_estimated":true`.
std::string usage_json(const Usage& usage);

/// Four bytes a token, where nobody counts them.
std::uint64_t estimated_tokens(std::uint64_t bytes);

/// Made up from byte counts where the upstream states none.
Usage estimate_usage(const ChatRequest& request, std::uint64_t answer_bytes);

}  // namespace llm
