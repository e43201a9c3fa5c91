#pragma once

#include "device/devices.h"
#include "gateway/call.h"

#include <expected>

namespace gateway {

/// A target's turn on its device, for one call.
struct DeviceTurn {
    device::DeviceLease lease{};
    base::Time busy_by{};  ///< how long a busy engine is waited for
};

/// Waits until the model's memory and place on its device are ours: where others are left to ask
/// only for the device's `wait`, else for the whole attempt. A waiting stream gets a comment now
/// and then. In vain: busy, a skip of its own, with the time after which to come again.
net::Task<std::expected<DeviceTurn, llm::Failure>> take_turn(Session& session,
                                                             const config::Target& target,
                                                             const device::Use& use,
                                                             const Trial& trial,
                                                             base::Time attempt_by);

/// An engine of ours said that it is busy, for the `times`th time: true once it may be asked
/// again. Longer and longer pauses where it is not its own work that keeps it.
net::Task<bool> engine_calms(Session& session, const device::Use& use, int times, base::Time by);

}  // namespace gateway
