#pragma once

#include "config/findings.h"
#include "config/load.h"
#include "config/value.h"

#include <string_view>
#include <vector>

namespace config {

/// A model of a fragment, as the variable in the fragment's `models_from` leaves it.
struct NamedModel {
    Value entry;
    bool listed = true;  ///< false: the variable names others
    bool made = false;   ///< for a name that `models` does not know
};

/// The `models` of a fragment. Where the variable of `models_from` names some: those, in its
/// order and under `alias_prefix`, each with its entry or with one made of what all entries
/// share; the entries that it leaves out follow.
std::vector<NamedModel> named_models(const Value& fragment, std::string_view variable,
                                     const Environment& env, Findings& findings);

}  // namespace config
