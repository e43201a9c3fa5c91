#pragma once

#include "base/model_facts.h"
#include "config/catalog.h"

#include <cstdint>
#include <optional>

namespace route {

/// What the service of `target` says of its model, where the configuration says nothing of what it
/// can do. nullptr: nothing, or the configuration's word stands.
const base::ModelFacts* learned(const config::Target& target, const base::FactTable* facts);

/// What `target` can do, by its configuration or as learned. What neither speaks of stays open.
config::Capabilities ability(const config::Target& target, const base::FactTable* facts);

/// Tokens of prompt that fit at most: as configured, else what its service says of the model.
std::optional<std::uint64_t> window(const config::Target& target, const base::FactTable* facts);

}  // namespace route
