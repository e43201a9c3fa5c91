#pragma once

#include "base/result.h"
#include "llm/chat.h"

#include <string_view>
#include <vector>

namespace llm {

/// What a client asks of its tools, for targets that can't be told which one to call: they get
/// only the tools that may be called.
struct ToolChoice {
    enum class Calls { free, none, required };
    Calls calls = Calls::free;
    std::vector<const Tool*> tools{};  ///< those of the chat that may be called

    /// Names one tool or some of them.
    bool narrowed(const Chat& chat) const { return tools.size() < chat.tools.size(); }
};

/// `choice` is `tool_choice` in OpenAI's shape, or empty. `unsupported` where a tool is one
/// that its provider runs itself; bad_input for a choice that can't be understood.
base::Result<ToolChoice> read_tool_choice(const Chat& chat, std::string_view choice);

/// The client wants no more than one call (parallel_tool_calls is false): where the upstream
/// can't be told so, the others are left out of the answer.
bool wants_one_call(const Chat& chat);

/// Keeps the first call of a whole answer.
void keep_first_call(Completion& answer);

}  // namespace llm
