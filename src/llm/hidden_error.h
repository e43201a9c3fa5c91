#pragma once

#include "llm/dialect.h"

#include <optional>
#include <string_view>

namespace llm {

/// What an agent's text complains of, where the whole text is one of the messages with which
/// agents say that they can't work: short, one line, known from its beginning to its end. An
/// answer that speaks of such messages is none.
std::optional<Failure> agent_complaint(base::Provider provider, std::string_view text,
                                       base::WallTime now);

/// Whether `text`, the beginning of an answer, may be that of such a complaint.
bool may_be_complaint(std::string_view text);

/// Agents behind OpenAI adapters report failures as the text of a 200
/// ("[error: …]", "API Error: 401 …", "Claude AI usage limit reached"). `text`
/// is the JSON string of a whole answer or of a stream's first delta.
std::optional<Failure> hidden_error(const Upstream& upstream, std::string_view text,
                                    base::WallTime now);

}  // namespace llm
