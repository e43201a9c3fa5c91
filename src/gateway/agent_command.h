#pragma once

#include "device/agent_host.h"
#include "gateway/session.h"
#include "llm/agent_prompt.h"

#include <string>
#include <string_view>

namespace gateway {

/// A run of an agent's command line, before it becomes a command.
struct AgentTask {
    const config::Target& target;
    std::string_view model;
    std::string_view workspace;  ///< named by the client; empty: a fresh one
    std::string fresh;           ///< what a fresh one is called
    bool goes_on = false;        ///< with the session that was last in this workspace
    llm::AgentPrompt prompt;
};

/// How `task` is run by the agent's own command line at `program`, below `folder`.
device::AgentCommand agent_command(const config::Catalog& catalog, AgentTask task,
                                   const std::string& program, const std::string& folder);

}  // namespace gateway
