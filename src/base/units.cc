#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace base {
namespace {

constexpr Duration kLongest = std::chrono::hours(24 * 31);

struct Unit {
    std::string_view name;
    double milliseconds;
};
/// Longest match first, so that `6ms` is never six minutes.
constexpr std::array kUnits{Unit{"ns", 1e-6},      Unit{"us", 1e-3}, Unit{"\u00b5s", 1e-3},
                            Unit{"\u03bcs", 1e-3}, Unit{"ms", 1},    Unit{"s", 1e3},
                            Unit{"m", 6e4},        Unit{"h", 3.6e6}, Unit{"d", 8.64e7}};

/// Reads digits with an optional fraction; no sign, no exponent.
std::optional<double> take_number(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() &&
           ((text[length] >= '0' && text[length] <= '9') || text[length] == '.'))
        ++length;
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + length, value, std::chars_format::fixed);
    if (error != std::errc() || end != text.data() + length || length == 0) return std::nullopt;
    text.remove_prefix(length);
    return value;
}

Duration from_milliseconds(double value) {
    const double longest = static_cast<double>(kLongest.count()) * 100;
    return Duration(static_cast<Duration::rep>(std::ceil(std::min(value, longest) - 1e-6)));
}

template <class Integer>
bool take_digits(std::string_view& text, std::size_t count, Integer& out) {
    if (text.size() < count) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + count, out);
    if (error != std::errc() || end != text.data() + count || text[0] == '-') return false;
    text.remove_prefix(count);
    return true;
}

bool take(std::string_view& text, char wanted) {
    if (text.empty() || text[0] != wanted) return false;
    text.remove_prefix(1);
    return true;
}

struct Clock24 {
    int hour = 0, minute = 0, second = 0;
};

bool take_clock(std::string_view& text, Clock24& out) {
    return take_digits(text, 2, out.hour) && take(text, ':') && take_digits(text, 2, out.minute) &&
           take(text, ':') && take_digits(text, 2, out.second);
}

/// RFC 3339: 2026-11-22T12:00:05.25Z, 2026-11-22T20:00:05+08:00.
std::optional<WallTime> parse_rfc3339(std::string_view text) {
    int year = 0;
    unsigned month = 0, day = 0;
    Clock24 clock;
    if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, month) ||
        !take(text, '-') || !take_digits(text, 2, day))
        return std::nullopt;
    if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
    if (!take_clock(text, clock)) return std::nullopt;
    if (take(text, '.'))
        while (!text.empty() && text[0] >= '0' && text[0] <= '9') text.remove_prefix(1);
    auto time = utc(year, month, day, clock.hour, clock.minute, clock.second);
    if (!time) return std::nullopt;
    if (text == "Z" || text == "z") return time;
    const bool east = !text.empty() && text[0] == '+';
    if (!east && (text.empty() || text[0] != '-')) return std::nullopt;
    text.remove_prefix(1);
    int hours = 0, minutes = 0;
    if (!take_digits(text, 2, hours) || !take(text, ':') || !take_digits(text, 2, minutes) ||
        !text.empty())
        return std::nullopt;
    const auto offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
    return east ? *time - offset : *time + offset;
}

/// RFC 9110 IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT.
std::optional<WallTime> parse_http_date(std::string_view text) {
    constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::size_t comma = text.find(", ");
    if (comma != 3) return std::nullopt;
    text.remove_prefix(5);
    unsigned day = 0, month = 0;
    int year = 0;
    if (!take_digits(text, 2, day) || !take(text, ' ') || text.size() < 4) return std::nullopt;
    for (unsigned i = 0; i < kMonths.size(); ++i)
        if (text.substr(0, 3) == kMonths[i]) month = i + 1;
    text.remove_prefix(3);
    Clock24 clock;
    if (month == 0 || !take(text, ' ') || !take_digits(text, 4, year) || !take(text, ' ') ||
        !take_clock(text, clock) || text != " GMT")
        return std::nullopt;
    return utc(year, month, day, clock.hour, clock.minute, clock.second);
}

Duration clamp_left(WallTime until, WallTime now) {
    const auto left = std::chrono::ceil<Duration>(until - now);
    return std::clamp(left, Duration(0), kLongest);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    text = trim(text);
    const auto first = take_number(text);
    if (!first) return std::nullopt;
    if (text.empty()) return from_milliseconds(*first * 1000);
    double total = 0;
    for (auto number = first; number; number = take_number(text)) {
        const Unit* unit = nullptr;
        for (const Unit& candidate : kUnits)
            if (text.starts_with(candidate.name) &&
                (!unit || candidate.name.size() > unit->name.size()))
                unit = &candidate;
        if (!unit) return std::nullopt;
        total += *number * unit->milliseconds;
        text.remove_prefix(unit->name.size());
        if (text.empty()) return from_milliseconds(total);
    }
    return std::nullopt;
}

std::optional<Duration> parse_return(std::string_view text, WallTime now) {
    text = trim(text);
    std::string_view rest = text;
    if (const auto number = take_number(rest); number && rest.empty() && *number >= 1e9) {
        const double milliseconds = *number >= 1e12 ? *number : *number * 1000;
        if (milliseconds > 9e12) return std::nullopt;  // past what the wall clock counts
        return clamp_left(WallTime(Duration(static_cast<Duration::rep>(milliseconds))), now);
    }
    if (const auto span = parse_duration(text)) return std::min(*span, kLongest);
    if (const auto date = parse_rfc3339(text)) return clamp_left(*date, now);
    if (const auto date = parse_http_date(text)) return clamp_left(*date, now);
    return std::nullopt;
}

std::string rfc3339(WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(seconds - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::optional<WallTime> utc(int year, unsigned month, unsigned day, int hour, int minute,
                            int second) {
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (!date.ok() || year < 1970 || year > 2200 || hour > 23 || minute > 59 || second > 60)
        return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second);
}

std::string go_duration(Duration duration) {
    const auto ms = std::max<Duration::rep>(0, duration.count());
    if (ms > 0 && ms < 1000) return fmt::format("{}ms", ms);
    std::string out;
    if (ms >= 3'600'000) out += fmt::format("{}h", ms / 3'600'000);
    if (ms >= 60'000) out += fmt::format("{}m", ms / 60'000 % 60);
    return out + fmt::format("{}s", static_cast<double>(ms % 60'000) / 1000);
}

std::string human(Duration duration) {
    const auto ms = duration.count();
    if (ms < 1000) return fmt::format("{} ms", ms);
    const auto s = (ms + 999) / 1000;
    if (s < 120) return fmt::format("{} s", s);
    const auto m = (s + 59) / 60;
    if (m < 120) return fmt::format("{} m", m);
    if (m < 48 * 60)
        return m % 60 == 0 ? fmt::format("{} h", m / 60) : fmt::format("{} h {} m", m / 60, m % 60);
    return fmt::format("{} d {} h", m / 1440, m % 1440 / 60);
}

namespace {
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
}  // namespace

bool iequals(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

bool icontains(std::string_view text, std::string_view part) {
    if (part.size() > text.size()) return false;
    for (std::size_t i = 0; i + part.size() <= text.size(); ++i)
        if (iequals(text.substr(i, part.size()), part)) return true;
    return false;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

namespace {

/// Length of the UTF-8 character at the start of `text`, 0 if there is none.
std::size_t character(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    if (length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
    return length;
}

}  // namespace

std::string shown(std::string_view text, std::size_t limit) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = character(text);
        if (out.size() + std::max<std::size_t>(length, 1) > limit) break;
        if (length > 0)
            out += text.substr(0, length);
        else
            out += '?';
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

}  // namespace base
