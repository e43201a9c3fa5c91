#pragma once

#include "llm/dialect.h"
#include "llm/parameters.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// The canonical form for protocols that are not OpenAI's: a chat of texts.
struct Turn {
    enum class Role { system, user, assistant };
    Role role = Role::user;
    std::string text;
};

/// Reads the messages. `unsupported`, naming the member, for what a text chat
/// has no word for: tools, images, audio, JSON schemas, several choices.
base::Result<std::vector<Turn>> read_text_chat(const ChatRequest& request,
                                               std::string_view protocol);

enum class EmptyTurns { keep, leave_out };
/// The turns as `[{"role","content"}]`. Without the empty ones a user's turn stays all
/// the same: Cohere refuses empty assistant and system texts.
std::string messages_json(const std::vector<Turn>& turns, EmptyTurns empty);

}  // namespace llm
