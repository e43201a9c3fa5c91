#pragma once

#include "config/catalog.h"
#include "config/document.h"
#include "config/findings.h"
#include "config/variables.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace config {

/// What holds for every entry of a document.
struct Surroundings {
    const Variables& variables;
    const Value* credentials = nullptr;     ///< credential_list
    const Value* default_params = nullptr;  ///< router_settings.default_litellm_params
    std::optional<int> max_parallel_requests;
    bool rates_enforced = false;  ///< rpm and tpm block instead of weighing only
};

/// Turns model_list entries into targets, one after the other. An entry that
/// can't be read is left out with one diagnostic; one that lacks a variable stays
/// with Target::left_out.
class TargetReader {
public:
    TargetReader(Surroundings around, Findings& findings) : around_(around), findings_(findings) {}

    /// Several targets for a list of organizations, none for a bad entry.
    std::vector<Target> read(const Entry& entry);

    /// One error for each variable that a switched-on entry needs and that is
    /// not set, naming the aliases that can't serve. Call once, at the end.
    void report_missing();

private:
    /// A variable that is not set.
    struct Missing {
        std::string name;
        std::string flag;
        Value at;
        std::vector<std::string> aliases;
    };

    std::optional<Target> read_one(const Entry& entry, const Value& written);
    Value written_params(const Entry& entry);
    void miss(const Entry& entry, const std::string& alias, const std::vector<Value>& names);
    std::string account(const Target& target);

    Surroundings around_;
    Findings& findings_;
    std::vector<Missing> missing_;
    std::vector<std::string> literal_keys_;  ///< provider and key, in order of appearance
};

/// Provider, model and base of `target`, from the model's prefix and the bases
/// that the file or the environment name. False, with a diagnostic, when
/// nobody knows where to call. `optional` accepts a target without a base.
bool read_upstream(const Value& params, const Variables& variables, bool optional, Target& target,
                   Findings& findings);

/// The key and its variable's name: `api_key`, else LiteLLM's variables for the
/// prefix. Returns the variable that should be set and is not, or nothing.
std::string read_key(const Value& params, const Value& written, const Variables& variables,
                     Target& target);

/// Deadlines, retries, weights, rates and what is added to request bodies.
void read_parameters(const Value& params, bool rates_enforced, Target& target, Findings& findings);

}  // namespace config
