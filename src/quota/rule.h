#pragma once

#include "base/clock.h"
#include "base/metric.h"
#include "config/catalog.h"

#include <optional>
#include <string>
#include <string_view>

namespace quota {

using base::Metric;

/// How a limit comes back.
enum class Reset {
    token_bucket,    ///< refills all the time, limit / window a second, up to limit
    rolling,         ///< each use counts for one window from when it was made
    fixed,           ///< all at once, on the clock's minute, hour, day, week in a time zone
    calendar_month,  ///< all at once, on the first of the month in a time zone
    first_use,       ///< all at once, one window after the first use of it
    lifetime,        ///< never
};
std::string_view name(Reset reset);
std::optional<Reset> reset_named(std::string_view name);

/// Whether a failed call counts, where the provider saw it.
enum class Failures {
    answered,  ///< every call counts but one refused for quota: what most providers do
    all,       ///< refusals count too (OpenRouter's free day)
    none,      ///< only calls that served count
};

/// A limit as configuration (or a learned header) states it.
struct Rule {
    Metric metric = Metric::requests;
    std::string window = "minute";  ///< as written: minute, day, 5h, …
    base::Duration span{60'000};    ///< its length; a month counts as 31 days where one is needed
    Reset reset = Reset::rolling;
    std::optional<double> limit;  ///< absent: unknown until the provider says it
    std::string time_zone = "UTC";
    Failures failures = Failures::answered;
    bool cached = true;     ///< cached prompt tokens count
    bool advisory = false;  ///< informs and never blocks, until the provider itself confirms it
};

/// `limit` with its words read. Windows and words were checked when it was loaded.
Rule rule_of(const config::Limit& limit);

/// Length of `minute`, `30s`, `5h`, `7d`, `week`, `month` (31 days); empty: 0.
base::Duration span_of(std::string_view window);

/// `TPD`-like short words are the providers'; ours are "tokens/day".
std::string label(const Rule& rule);

/// Half-open span of calendar time.
struct Period {
    base::WallTime begin;
    base::WallTime end;
};
/// The aligned window of `span` around `at`: minutes and hours of local time, days from
/// local midnight (23 or 25 hours long when clocks change), weeks from Monday, other spans
/// counted from the epoch. Unknown zones count as UTC (the loader reports them).
Period aligned(base::WallTime at, base::Duration span, const std::string& time_zone);
/// The calendar month around `at`.
Period month_around(base::WallTime at, const std::string& time_zone);
bool known_time_zone(const std::string& time_zone);

}  // namespace quota
