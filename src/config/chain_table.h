#pragma once

#include "config/findings.h"
#include "config/value.h"

#include <string>
#include <string_view>
#include <vector>

namespace config {

struct ChainMember {
    std::string name;
    int line = 0;
};

/// One line of a fallback table.
struct Chain {
    std::string primary;
    Value at;  ///< place of the primary's name
    std::vector<ChainMember> members;
};

/// Reads `{alias: [alias, …]}` or LiteLLM's list of such one-key objects. A
/// member may be an object with `model`; its own parameters are reported.
std::vector<Chain> read_chains(const Value& table, std::string_view what, Findings& findings);

/// The chain of `alias`: by its whole name, or without its `provider/` as in
/// LiteLLM. nullptr: it has none.
const Chain* chain_of(const std::vector<Chain>& chains, std::string_view alias);

}  // namespace config
