#pragma once

#include "config/catalog.h"

#include <string>
#include <string_view>

namespace config {

/// Whether vectors of both can be compared: both state one embedding_space, or, where one states
/// none, they are the same model under whatever prefix and tag. `model`: the upstream's id, with
/// a wildcard filled in.
bool same_space(const Target& a, std::string_view model_a, const Target& b,
                std::string_view model_b);

/// What to call the space of a target's vectors.
std::string space_name(const Target& target, std::string_view model);

}  // namespace config
