#pragma once

#include "device/driver.h"
#include "device/plan.h"
#include "device/supervisor.h"
#include "net/worker.h"

#include <functional>
#include <memory>
#include <set>
#include <span>

namespace device {

/// What drivers work with; outlives them.
struct DriverTools {
    net::Worker& worker;
    net::UpstreamClient& client;
    Supervisor& engines;
    /// Device memory that children of ours hold, where the driver of the GPU can tell.
    std::function<std::uint64_t(std::span<const int> pids)> vram_of;
    std::set<net::AbortHandle*> calls{};  ///< under way
    bool ended = false;                   ///< no call begins any more
};

/// The driver of an engine; null where it can't be asked.
std::unique_ptr<Driver> make_driver(DriverTools& tools, const EngineSite& site);

}  // namespace device
