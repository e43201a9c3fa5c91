#pragma once

#include "llm/dialect.h"
#include "llm/splice.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm::openai {

/// What is known of a provider's `messages` that differs from OpenAI's: Groq has
/// no `name`, Groq and Cerebras call `reasoning_content` `reasoning` and refuse what
/// else answers bring along, Mistral's schema is closed at every depth and has rules
/// on order and tool ids, OpenAI has no `thinking_blocks` and takes no long ids, and who reads no
/// files gets those that are plain text as texts. `messages` lies in the text of `splice`. The
/// other providers' messages are not even looked at.
void edit_messages(const Upstream& upstream, std::string_view messages, Splice& splice,
                   std::vector<std::string>& changes);

/// A part that is a file of plain text, as a part of text; nullopt: it is none.
std::optional<std::string> told_as_text(std::string_view part);

/// A tool id as Mistral takes it: nine letters and digits. One id always gives
/// the same, so that call and result stay together.
std::string mistral_tool_id(std::string_view id);

}  // namespace llm::openai
