#pragma once

#include "base/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace base {

/// A span of time as providers and configuration files write it: Go durations
/// (`2m59.56s`, `370ms`, `6m0s`), or a bare number of seconds (`2`, `33011.38`).
/// Empty, negative, unknown unit or trailing text: nullopt.
std::optional<Duration> parse_duration(std::string_view text);

/// The value of a rate header or Retry-After as time left from `now`: what
/// parse_duration reads, epoch seconds (>= 1e9), epoch milliseconds (>= 1e12),
/// RFC 3339, or an HTTP-date. Clamped to [0, 31 days]; a past instant is 0.
std::optional<Duration> parse_return(std::string_view text, WallTime now);

/// `2026-11-23T16:05:00Z`.
std::string rfc3339(WallTime time);

/// Days since 1970-01-01 etc. in UTC -> instant; nullopt for an impossible date
/// or a year outside 1970 to 2200.
std::optional<WallTime> utc(int year, unsigned month, unsigned day, int hour, int minute,
                            int second);

/// `41 m`, `2 h 5 m`, `350 ms`: for people.
std::string human(Duration duration);

/// `1m26.4s`, `350ms`, `0s`: what rate headers carry.
std::string go_duration(Duration duration);

/// ASCII only: HTTP header names, provider texts.
bool iequals(std::string_view a, std::string_view b);
bool icontains(std::string_view text, std::string_view part);
std::string_view trim(std::string_view text);

/// At most `limit` bytes of `text` as valid UTF-8: what is not becomes `?`, a character
/// is never cut. For text from outside that is shown in an answer.
std::string shown(std::string_view text, std::size_t limit);

}  // namespace base
