#pragma once

#include "config/catalog.h"
#include "config/document.h"
#include "config/findings.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace config {

/// What keeps engines that are on from starting, although each is written as it should be: a port
/// that another has, and variables that name a program or a file that is not there. `config` is
/// the path that is read; relative names of files count from it as well.
class EngineChecks {
public:
    EngineChecks(const Environment& env, std::string config, Findings& findings)
        : env_(env), config_(std::move(config)), findings_(findings) {}

    /// To be asked for every target that is on.
    void look(const Entry& entry, const Target& target);
    /// What all that were looked at have in common, once. Call at the end.
    void report();

private:
    struct Holder {
        std::string alias;
        std::string place;
        std::string exclusive;
    };
    void look_at_port(const Entry& entry, const Target& target);
    void report_program(std::string_view program);
    void report_model();
    bool is_there(const std::string& file) const;

    const Environment& env_;
    std::string config_;
    Findings& findings_;
    std::multimap<std::uint16_t, Holder> ports_;
    std::set<std::string> programs_;  ///< the first words of their commands
    bool runs_own_model_ = false;     ///< one's command names what LLAMACPP_MODEL does
};

}  // namespace config
