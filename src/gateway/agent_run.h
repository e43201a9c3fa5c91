#pragma once

#include "gateway/call.h"

namespace gateway {

/// Runs the command line of an agent for one attempt: in the workspace that the client named,
/// when it is free, or in a fresh one. `body`: an OpenAI chat request; what is opened gives
/// OpenAI's answer to it. Without the program the target is skipped (Skip::engine).
net::Task<std::expected<OpenCall, llm::Failure>> open_agent(Session& session,
                                                            const route::Candidate& candidate,
                                                            Trial& trial, std::string_view body);

}  // namespace gateway
