#pragma once

#include "base/clock.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace device {

/// How to run one engine: a child process that serves HTTP on a port of ours.
struct EngineSpec {
    std::string name;                  ///< the target's id
    std::vector<std::string> command;  ///< as listening() completes it
    std::string ready = "/health";     ///< answers 200 once requests are served
    base::Duration ttl{600'000};       ///< idle time before it is stopped; 0: never
    base::Duration start_timeout{120'000};
    std::uint16_t port = 0;         ///< 0: a free one at each start
    std::string models = "models";  ///< folder below DATA_DIR for what the command names by URL
    std::vector<std::string> sharing{};  ///< URLs of the command: ModelFile::shared
    std::string
        exclusive{};  ///< of the engines with the same word one runs, for one request at a time
    /// Closing the connection does not end its work: it is killed when a caller leaves.
    bool kill_on_hangup = false;
    std::string device{};  ///< where its memory is; one that is moved starts anew
    bool operator==(const EngineSpec&) const = default;
};

/// What an exclusive engine's caller does while it is not its turn.
enum class WhenBusy { wait, refuse };

enum class EngineState { stopped, starting, ready, stopping, failed };
std::string_view name(EngineState state);

/// What `/health/readiness` and the log say of an engine.
struct EngineStatus {
    std::string name;
    EngineState state = EngineState::stopped;
    int pid = 0;
    int guard = 0;  ///< the process above all that are the engine's
    std::uint16_t port = 0;
    int restarts = 0;
    std::string last_error;
    std::string device{};     ///< of what runs
    std::size_t leases = 0;   ///< requests that use it
    std::size_t waiting = 0;  ///< and that wait until it is ready
    bool operator==(const EngineStatus&) const = default;
};

}  // namespace device
