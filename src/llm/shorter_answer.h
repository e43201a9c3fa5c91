#pragma once

#include "llm/dialect.h"

namespace llm {

/// What a target whose money does not pay for the answer that was asked for can be asked instead:
/// one of at most `most` tokens.

/// An answer of fewer tokens is hardly one: who has no money for more is not asked.
inline constexpr std::uint64_t kShortestAnswer = 16;

/// Whether the client's own bounds leave room for it. A request that asks for no more already has
/// been refused as it is.
bool may_be_shorter(const ChatRequest& request, std::uint64_t most);

/// Bounds the answer to a call in OpenAI's protocol, notes the change.
void shorten_answer(Call& call, std::uint64_t most);

}  // namespace llm
