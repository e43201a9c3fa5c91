#pragma once

#include "config/catalog.h"
#include "llm/outcome.h"

#include <optional>

namespace route {

/// The kind under which LiteLLM's policies count a failure; nullopt: under none of its names.
std::optional<config::FailureKind> kind_of(const llm::Failure& failure);

/// How often the last one asked is asked again after `failure`: what the retry policy of its
/// alias (else the general one) says of the failure's kind, else the target's own num_retries,
/// else the policy's default, else num_retries. 0 for a failure that a moment does not cure,
/// unless the policy names its kind.
int retries(const config::Settings& settings, const config::Target& target,
            const llm::Failure& failure);

/// How many failures in a row come before one like `failure` benches on a guess: as the
/// target's model_info says, else the settings; each by kind first.
int allowed_fails(const config::Settings& settings, const config::Target& target,
                  const llm::Failure& failure);

}  // namespace route
