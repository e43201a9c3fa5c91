#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

namespace route {

/// Chance that is the same for a seed with every standard library: whose distributions differ.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}

    std::uint64_t number() { return random_(); }
    /// In [0, 1).
    double share() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
    /// Time to the next of events that come at `rate` on average.
    double wait(double rate) { return -std::log(1 - share()) / rate; }
    /// Log-normal with that mean; `spread` is the deviation of its logarithm.
    double skewed(double mean, double spread) {
        const double radius = std::sqrt(-2 * std::log(1 - share()));
        const double normal = radius * std::cos(2 * std::numbers::pi * share());
        return mean * std::exp(spread * normal - spread * spread / 2);
    }

private:
    std::mt19937_64 random_;
};

}  // namespace route
