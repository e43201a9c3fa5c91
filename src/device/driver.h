#pragma once

#include "base/result.h"
#include "device/scheduler.h"
#include "net/asio.h"

#include <optional>
#include <string>
#include <vector>

namespace device {

/// What an engine holds: a model, the memory it takes on each device, whether it is at work.
struct Holding {
    std::string model;
    std::uint64_t ram = 0;  ///< bytes; 0: it did not say
    std::uint64_t vram = 0;
    bool busy = false;      ///< loading too
    bool loading = false;   ///< its sizes may still grow
    bool leaving = false;   ///< its process is ending
    std::string device{};   ///< where it is; empty: where the configuration says
    std::string expires{};  ///< when it lets go of it by itself, as it says that; empty: unsaid
};

/// How one kind of engine says what it has loaded and lets go of it. One object an engine;
/// used on the thread of Devices alone. Errors: not_found (nothing listens at its address, so its
/// process is gone, and its models with it), those of the transport, protocol.
class Driver {
public:
    virtual ~Driver() = default;

    virtual net::Task<base::Result<std::vector<Holding>>> holdings(base::Time by) = 0;
    /// The same where nobody has to be asked; nullopt: only holdings() tells.
    virtual std::optional<std::vector<Holding>> at_once() { return std::nullopt; }
    /// Asks it to let go. Whether it has is seen in holdings(): some answer before it is true.
    virtual net::Task<base::Result<void>> unload(std::string model, base::Time by) = 0;

    /// It works on for a client that has hung up, until it is told to stop.
    virtual bool works_on() const { return false; }
    /// Stops what it is at work on, whoever's it is; returns when it has stopped, or at `by`.
    virtual net::Task<> cancel(base::Time) { co_return; }
};

}  // namespace device
