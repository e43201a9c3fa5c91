#pragma once

#include "base/clock.h"
#include "route/rehearsal_dice.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace route {

/// A request of rehearsed traffic.
struct Arrival {
    base::WallTime time{};
    std::size_t alias = 0;  ///< in Traffic::aliases
    double prompt_tokens = 0;
    double answer_tokens = 0;
    std::uint64_t prompt_bytes = 0;
    std::optional<std::uint64_t> max_tokens{};
};

/// What is asked of the gateway, in order of time.
struct Traffic {
    std::vector<std::string> aliases;
    std::vector<Arrival> arrivals;
    base::WallTime begin{};
};

/// Traffic to make up.
struct TrafficPlan {
    /// Beyond this many a rehearsal would no longer fit into memory.
    static constexpr double kMost = 5'000'000;

    double per_day = 1000;  ///< on average over the span
    base::Duration span{7LL * 24 * 3'600'000};
    std::vector<std::pair<std::string, double>> aliases;  ///< with their weights
    double prompt_tokens = 800;                           ///< means
    double answer_tokens = 300;
    std::uint64_t seed = 1;
};

/// Requests that come independently of each other: most at three in the afternoon, a ninth of
/// that at three at night, at weekends less than half of a weekday's. Sizes are log-normal: many
/// short, few very long. Begins on Monday, 1 June 2026, 00:00 UTC. Pure.
Traffic generate(const TrafficPlan& plan);

/// Bytes of a text of so many tokens.
std::uint64_t bytes_for(double tokens, Dice& dice);

/// `2000/day`, `100/hour`, `3/minute`; a bare number is one a day. In requests a day.
std::optional<double> parse_rate(std::string_view text);
/// `day`, `week`, `month` (30 days), `30d`, `12h`; at most 366 days.
std::optional<base::Duration> parse_span(std::string_view text);

}  // namespace route
