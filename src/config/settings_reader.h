#pragma once

#include "config/catalog.h"
#include "config/chain_table.h"
#include "config/findings.h"
#include "config/variables.h"

#include <set>
#include <string>
#include <vector>

namespace config {

/// The settings sections of a LiteLLM file, understood. Router keys may stand
/// under litellm_settings too; router_settings wins.
struct SettingsReading {
    Settings settings;
    std::vector<Chain> fallbacks;
    std::vector<Chain> context_window_fallbacks;
    std::vector<Chain> content_policy_fallbacks;
    std::vector<ChainMember> default_fallbacks;
    std::set<std::string> hidden;  ///< model_group_alias names that are not listed
    Value default_params;          ///< router_settings.default_litellm_params
    Value group_aliases;           ///< model_group_alias as written, for places
    Value group_policies;          ///< model_group_retry_policy as written
    Value completion_model;        ///< as written; null: none
    std::optional<int> max_parallel_requests;
    bool rates_enforced = false;
};

SettingsReading read_settings(const Value& root, const Variables& variables, Findings& findings);

/// `environment_variables` of the file, over the environment.
void define_variables(const Value& root, Variables& variables, Findings& findings);

}  // namespace config
