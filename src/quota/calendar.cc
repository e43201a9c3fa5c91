#include "quota/rule.h"

#include <date/tz.h>

#include <algorithm>
#include <exception>

namespace quota {
namespace {

using namespace std::chrono_literals;
using base::WallTime;

constexpr base::Duration kDay = 24h;
constexpr base::Duration kWeek = 7 * 24h;
/// The epoch was a Thursday; this is the Monday before it.
constexpr base::Duration kToMonday = -3 * 24h;

/// nullptr: UTC, or a zone that this machine does not know.
const date::time_zone* zone_named(const std::string& name) {
    if (name.empty() || name == "UTC") return nullptr;
    try {
        return date::locate_zone(name);
    } catch (const std::exception&) {
        return nullptr;
    }
}

/// Greatest origin + n * span that is not after `at`.
WallTime floored(WallTime at, base::Duration span, base::Duration origin) {
    const auto whole = std::chrono::duration_cast<WallTime::duration>(span);
    const auto shift = std::chrono::duration_cast<WallTime::duration>(origin);
    const auto past = (at.time_since_epoch() - shift) % whole;
    return at - (past < 0ns ? past + whole : past);
}

/// Local midnight that begins `day`; where clocks skip it, the first instant after.
WallTime midnight(date::local_days day, const date::time_zone& zone) {
    return std::chrono::time_point_cast<WallTime::duration>(zone.to_sys(
        std::chrono::time_point_cast<std::chrono::seconds>(day), date::choose::earliest));
}

date::local_days local_day(WallTime at, const date::time_zone& zone) {
    return date::floor<date::days>(zone.to_local(at));
}

/// Minutes and hours of local time; a change of the clocks cuts the window that it falls into.
Period within_day(WallTime at, base::Duration span, const date::time_zone& zone) {
    const auto info = zone.get_info(at);
    const WallTime begin = floored(at + info.offset, span, 0ms) - info.offset;
    WallTime end = begin + span;
    if (info.end < std::chrono::time_point_cast<std::chrono::seconds>(end))
        end = std::chrono::time_point_cast<WallTime::duration>(info.end);
    const bool cut = info.begin > std::chrono::time_point_cast<std::chrono::seconds>(begin);
    return {cut ? std::chrono::time_point_cast<WallTime::duration>(info.begin) : begin, end};
}

date::year_month month_of(date::year_month_day day) { return day.year() / day.month(); }

}  // namespace

bool known_time_zone(const std::string& time_zone) {
    return time_zone == "UTC" || zone_named(time_zone) != nullptr;
}

Period aligned(WallTime at, base::Duration span, const std::string& time_zone) {
    if (span <= 0ms) return {WallTime{}, WallTime::max()};
    const bool local = span == 1min || span == 1h || span == kDay || span == kWeek;
    const date::time_zone* zone = local ? zone_named(time_zone) : nullptr;
    if (!zone) {
        const WallTime begin = floored(at, span, span == kWeek ? kToMonday : 0ms);
        return {begin, begin + span};
    }
    if (span < kDay) return within_day(at, span, *zone);
    const date::local_days today = local_day(at, *zone);
    if (span == kDay) return {midnight(today, *zone), midnight(today + date::days(1), *zone)};
    const date::local_days monday = today - (date::weekday(today) - date::Monday);
    return {midnight(monday, *zone), midnight(monday + date::days(7), *zone)};
}

Period month_around(WallTime at, const std::string& time_zone) {
    const date::time_zone* zone = zone_named(time_zone);
    if (!zone) {
        const auto month = month_of(date::year_month_day(date::floor<date::days>(at)));
        return {date::sys_days(month / 1), date::sys_days((month + date::months(1)) / 1)};
    }
    const auto month = month_of(date::year_month_day(local_day(at, *zone)));
    return {midnight(date::local_days(month / 1), *zone),
            midnight(date::local_days((month + date::months(1)) / 1), *zone)};
}

}  // namespace quota
