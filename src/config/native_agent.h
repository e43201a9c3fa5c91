#pragma once

#include "config/catalog.h"
#include "config/findings.h"
#include "config/variables.h"

namespace config {

/// The flag that puts the agent's command line in place of its box: CLAUDEBOX_NATIVE,
/// PIBOX_NATIVE; empty for any other text.
std::string_view native_flag(std::string_view agent);

/// Fills in `target.native` where model_info says `native: true`: the program
/// (CLAUDE_COMMAND, PI_COMMAND), the credentials that it is given, under its own names, and the
/// bounds of a run (AGENT_MAX_…).
void read_native(const Value& info, const Variables& variables, Target& target, Findings& findings);

/// Agents' command lines that are given nothing to log in with, or that a variable looks for where
/// no program is; each kind is told once.
class AgentChecks {
public:
    void look(const Target& target);
    void report(const Variables& variables, Findings& findings) const;

private:
    struct Kind {
        bool runs = false;
        bool lacks_login = false;
    };
    Kind claude_;
    Kind pi_;
};

/// What is wrong with the bounds, once for all agents.
void check_agent_bounds(const Environment& env, Findings& findings);

}  // namespace config
