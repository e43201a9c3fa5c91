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
    std::string expires{};  ///< when it lets go of it by itself, as it says that; empty: unsaid
};

/// How one kind of engine says what it has loaded and lets go of it. One object an engine;
/// used on the thread of Devices alone. Errors are those of the transport, or protocol.
class Driver {
public:
    virtual ~Driver() = default;

    virtual net::Task<base::Result<std::vector<Holding>>> holdings(base::Time by) = 0;
    /// Asks it to let go. Whether it has is seen in holdings(): some answer before it is true.
    virtual net::Task<base::Result<void>> unload(std::string model, base::Time by) = 0;
};

}  // namespace device
