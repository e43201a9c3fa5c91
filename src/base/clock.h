#pragma once

#include <chrono>

namespace base {

/// Deadlines and benches: monotonic, never shown to anybody.
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Duration = std::chrono::milliseconds;

/// Calendar time: what providers state and people read.
using WallClock = std::chrono::system_clock;
using WallTime = WallClock::time_point;

/// One instant on both clocks. Pure code gets it as an argument.
struct Now {
    Time steady;
    WallTime wall;
    static Now read() { return {Clock::now(), WallClock::now()}; }
};

}  // namespace base
