#pragma once

#include "app/commands.h"

#include <cstdint>
#include <string>
#include <vector>

namespace app {

struct RehearseOptions {
    std::string log;  ///< CSV; empty: traffic is made up
    std::string rate = "1000/day";
    std::string span = "week";
    std::vector<std::string> aliases;  ///< ALIAS or ALIAS:WEIGHT; empty: all that chat
    std::string tokens = "800,300";    ///< means of prompt and answer
    std::string routing;               ///< strict, spend_wisely, both; empty: as configured
    std::uint64_t seed = 1;
    bool all = false;  ///< providers whose flag is off too
};

/// What would become of a day or a month of traffic: through the gateway's own decisions, in
/// virtual time, against emulated providers with their configured limits. Nothing is sent.
int rehearse(const CommonOptions& common, const RehearseOptions& options);

}  // namespace app
