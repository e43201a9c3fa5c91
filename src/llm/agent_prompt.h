#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace llm {

/// A chat as an agent's command line takes it.
struct AgentPrompt {
    std::string system;  ///< empty: none
    std::string text;
};

/// Of the body of an OpenAI chat request. One user's message is the prompt as it stands; a longer
/// conversation is told as one. `unsupported` for what a command line can't be given: pictures.
base::Result<AgentPrompt> agent_prompt(std::string_view body);

}  // namespace llm
