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
    std::vector<std::string> command;  ///< without --host and --port: they are appended
    std::string ready = "/health";     ///< answers 200 once requests are served
    base::Duration ttl{600'000};       ///< idle time before it is stopped; 0: never
    base::Duration start_timeout{120'000};
    bool operator==(const EngineSpec&) const = default;
};

enum class EngineState { stopped, starting, ready, stopping, failed };
std::string_view name(EngineState state);

/// What `/health/readiness` and the log say of an engine.
struct EngineStatus {
    std::string name;
    EngineState state = EngineState::stopped;
    int pid = 0;
    std::uint16_t port = 0;
    int restarts = 0;
    std::string last_error;
    bool operator==(const EngineStatus&) const = default;
};

}  // namespace device
