#pragma once

#include "config/catalog.h"
#include "route/rehearsal_provider.h"
#include "route/rehearsal_traffic.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace route {

/// What one target had to do.
struct TargetReport {
    std::string target;
    config::Tier tier = config::Tier::free;
    std::uint64_t calls = 0;
    std::uint64_t served = 0;
    std::uint64_t refused = 0;  ///< by its provider, for a quota that was used up
    double tokens = 0;
    double cost_usd = 0;
};

/// What became of rehearsed traffic.
struct Report {
    config::Routing routing = config::Routing::strict;
    std::uint64_t requests = 0;
    std::array<std::uint64_t, 4> served{};  ///< by config::Tier
    std::uint64_t not_served = 0;
    std::uint64_t calls = 0;      ///< upstream
    std::uint64_t refused = 0;    ///< calls that a provider refused for a quota that was used up
    std::uint64_t too_large = 0;  ///< calls larger than a whole quota or than the context window
    std::uint64_t held_back = 0;  ///< calls not made because the ledger saw too little left
    std::uint64_t spared = 0;     ///< of these, what the provider would have refused just then
    double cost_usd = 0;          ///< of what paid targets served
    std::vector<LimitReport> limits;    ///< by key
    std::vector<TargetReport> targets;  ///< that were called, busiest first

    std::uint64_t served_in(config::Tier tier) const {
        return served[static_cast<std::size_t>(tier)];
    }
};

/// Sends the traffic through decide(), ledger and benches as the gateway does, against emulated
/// providers, in virtual time: calls take time and overlap, nothing waits, no clock is read.
/// Every target of the catalog is asked for which decide() says go; targets on this machine
/// always answer. The same arguments give the same report.
Report rehearse(const config::Snapshot& catalog, const Traffic& traffic, std::uint64_t seed);

}  // namespace route
