#pragma once

#include "device/scheduler.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

/// A made-up device with engines, clients and trouble, for the scheduler's tests.
namespace device::simulator {

using base::Duration;
using base::Time;

struct Model {
    ModelKey key;
    std::uint64_t real = 0;  ///< bytes that it does take
    Need need;               ///< what a request says of it
    Duration load{0};
};

struct Request {
    Duration at{0};
    std::size_t model = 0;
    Duration work{0};
    std::optional<Duration> leaves_after;  ///< the client hangs up
};

/// Somebody else loads a model and works with it.
struct Stranger {
    Duration at{0};
    std::size_t model = 0;
    Duration work{0};
};

struct World {
    unsigned seed = 0;
    Terms terms;
    std::vector<Model> models;
    std::vector<Request> requests;
    std::vector<std::pair<Duration, std::uint64_t>> hog;  ///< bytes that it has from then on
    std::vector<Stranger> strangers;
    Duration poll{1'000};
    Duration unload{500};     ///< and up to three times as long
    bool says_bytes = true;   ///< engines tell sizes
    double unload_fails = 0;  ///< chances, 0 to 1
    double load_fails = 0;
    double unreachable = 0;
    double dies = 0;             ///< an engine, with all that it holds or loads
    double goes_on_loading = 0;  ///< when its client hangs up
};

struct Report {
    int loads = 0;
    int evictions = 0;
    int refused = 0;
    std::vector<Duration> waits;        ///< by request; of those granted
    std::vector<std::string> problems;  ///< what must never happen and did
    Duration end{0};                    ///< of the last lease
};

}  // namespace device::simulator
