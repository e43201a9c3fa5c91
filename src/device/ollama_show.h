#pragma once

#include "base/model_facts.h"
#include "device/ollama_pull.h"
#include "device/pull_plan.h"

#include <optional>
#include <string>
#include <string_view>

namespace device {

/// Reads an answer of /api/show. nullopt: it does not say what the model can do.
std::optional<base::ModelFacts> read_show(std::string_view body);

/// Where the configuration says something else of a model than its service; empty: nowhere.
struct Difference {
    std::string text;
    bool trusted_too_far = false;  ///< requests are let in that the model can't serve
};
Difference difference(const PullPlan::Claim& claim, const base::ModelFacts& facts);

/// What the service says of a model (/api/show); nullopt: nothing of use. Errors: of the transport,
/// refused (not now).
net::Task<base::Result<std::optional<base::ModelFacts>>> ollama_show(net::UpstreamClient& client,
                                                                     const OllamaService& service,
                                                                     std::string model,
                                                                     net::AbortHandle& abort);

}  // namespace device
