#pragma once

#include "llm/chat.h"

#include <string>
#include <string_view>

namespace llm {

/// `text` as a name of letters, digits, `_` and `-`, at most `longest` (above 20) of them: itself
/// where it fits, else what is left of it with a hash behind. One text always gives the same.
std::string fitting_name(std::string_view text, std::size_t longest);

/// The client's name of the tool whose fitting name is `sent`.
std::string client_tool_name(const Chat& chat, std::string_view sent, std::size_t longest);

/// What OpenAI takes, and with it who speaks its protocol.
inline constexpr std::size_t kLongestOpenAiName = 64;
inline constexpr std::size_t kLongestOpenAiId = 40;

}  // namespace llm
