#include "llm/hints.h"

#include "base/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace llm {
namespace {

using base::Duration;
using std::string_view;

struct Unit {
    string_view word;
    double milliseconds;
};
constexpr auto kUnits = std::to_array<Unit>({
    {"milliseconds", 1},
    {"millisecond", 1},
    {"seconds", 1e3},
    {"second", 1e3},
    {"secs", 1e3},
    {"sec", 1e3},
    {"minutes", 6e4},
    {"minute", 6e4},
    {"mins", 6e4},
    {"min", 6e4},
    {"hours", 3.6e6},
    {"hour", 3.6e6},
    {"days", 8.64e7},
    {"day", 8.64e7},
    {"d", 8.64e7},
});
constexpr double kLongest = 31 * 8.64e7;
/// A larger count is no quota.
constexpr std::uint64_t kLargest = 1'000'000'000'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Duration clamped(double milliseconds) {
    return Duration(static_cast<Duration::rep>(std::clamp(milliseconds, 0.0, kLongest)));
}

/// `000` after the comma of `20,000`.
bool three_digits(string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    return digits == 3;
}

string_view after_spaces(string_view text) {
    return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

/// `40 seconds`, `2 hours and 5 minutes`: moves `text` past one number and unit.
std::optional<double> spoken_pair(string_view& text) {
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    string_view rest = after_spaces(text.substr(static_cast<std::size_t>(end - text.data())));
    for (const Unit& unit : kUnits) {
        bool word_ends = rest.size() == unit.word.size() ||
                         (rest.size() > unit.word.size() &&
                          !std::isalpha(static_cast<unsigned char>(rest[unit.word.size()])));
        if (!base::iequals(rest.substr(0, unit.word.size()), unit.word) || !word_ends) continue;
        text = rest.substr(unit.word.size());
        return number * unit.milliseconds;
    }
    return std::nullopt;
}

std::optional<Duration> spoken_duration(string_view text) {
    std::optional<double> total;
    while (std::optional<double> part = spoken_pair(text)) {
        total = total.value_or(0) + *part;
        text = after_spaces(text);
        if (text.starts_with(',')) text = after_spaces(text.substr(1));
        if (text.starts_with("and ")) text = after_spaces(text.substr(4));
    }
    return total ? std::optional(clamped(*total)) : std::nullopt;
}

/// `9m38.016s` or `2`, up to the first byte that can't belong to it.
std::optional<Duration> compact_duration(string_view text) {
    std::size_t end = text.find_first_not_of("0123456789.hmsunµ");
    string_view token = text.substr(0, end);
    while (!token.empty() && token.back() == '.') token.remove_suffix(1);
    if (token.empty() || !is_digit(token.front())) return std::nullopt;
    std::optional<Duration> parsed = base::parse_duration(token);
    return parsed ? std::optional(std::min(*parsed, clamped(kLongest))) : std::nullopt;
}

std::size_t find_lower(string_view text, string_view word) {
    auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    auto hit = std::ranges::search(text, word, same);
    return hit.empty() ? text.npos : static_cast<std::size_t>(hit.begin() - text.begin());
}

struct WindowWord {
    string_view text;
    Window window;
};
constexpr auto kWindowWords = std::to_array<WindowWord>({
    {"per minute", Window::minute}, {"per-minute", Window::minute}, {"/ minute", Window::minute},
    {"/minute", Window::minute},    {"per min ", Window::minute},   {"per min.", Window::minute},
    {"per min)", Window::minute},   {"per-min", Window::minute},    {"(rpm)", Window::minute},
    {"(tpm)", Window::minute},      {"/min", Window::minute},       {"(ipm)", Window::minute},
    {"per hour", Window::hour},     {"/ hour", Window::hour},       {"/hour", Window::hour},
    {"hourly", Window::hour},       {"(asph)", Window::hour},       {"(ash)", Window::hour},
    {"5 hour", Window::hour},       {"5-hour", Window::hour},       {"per day", Window::day},
    {"per-day", Window::day},       {"/ day", Window::day},         {"/day", Window::day},
    {"daily", Window::day},         {"(rpd)", Window::day},         {"(tpd)", Window::day},
    {"(aspd)", Window::day},        {"(asd)", Window::day},         {"weekly", Window::day},
    {"per week", Window::day},      {"per month", Window::month},   {"/ month", Window::month},
    {"/month", Window::month},      {"monthly", Window::month},
});

}  // namespace

std::optional<Duration> prose_duration(string_view text) {
    constexpr auto kAnchors = std::to_array<string_view>(
        {"try again in ", "try again after ", "retry after ", "retry in ", "reset in ",
         "resets in ", "reset after ", "available in ", "wait for ", "wait "});
    std::optional<Duration> longest;
    for (string_view anchor : kAnchors) {
        std::size_t at = find_lower(text, anchor);
        if (at == text.npos) continue;
        string_view rest = text.substr(at + anchor.size());
        std::optional<Duration> spoken = spoken_duration(rest);
        at_least(longest, spoken ? spoken : compact_duration(rest));
    }
    return longest;
}

std::optional<Duration> prose_reset_date(string_view text, base::WallTime now) {
    constexpr string_view kAnchor = "reset at ";
    constexpr std::size_t kLength = 19;  // YYYY-MM-DD HH:MM:SS
    std::size_t at = find_lower(text, kAnchor);
    if (at == text.npos) return std::nullopt;
    string_view date = text.substr(at + kAnchor.size(), kLength);
    auto field = [date](std::size_t from, std::size_t size) {
        int number = -1;
        if (from + size <= date.size())
            std::from_chars(date.data() + from, date.data() + from + size, number);
        return number;
    };
    int month = field(5, 2), day = field(8, 2);
    if (field(17, 2) < 0 || month < 1 || day < 1) return std::nullopt;
    std::optional<base::WallTime> local =
        base::utc(field(0, 4), static_cast<unsigned>(month), static_cast<unsigned>(day),
                  field(11, 2), field(14, 2), field(17, 2));
    if (!local) return std::nullopt;
    auto left = std::chrono::duration_cast<Duration>(*local - std::chrono::hours(8) - now);
    return clamped(static_cast<double>(left.count()));
}

Window prose_window(string_view text) {
    Window found = Window::none;
    for (const WindowWord& word : kWindowWords) {
        if (text.find(word.text) == text.npos) continue;
        if (found != Window::none && found != word.window) return Window::none;
        found = word.window;
    }
    return found;
}

std::optional<Duration> retry_after(const Reply& reply, base::WallTime now) {
    std::optional<Duration> stated;
    if (string_view value = base::trim(reply.header("retry-after")); !value.empty())
        stated = base::parse_return(value, now);
    string_view ms = base::trim(reply.header("retry-after-ms"));
    double number = 0;
    auto [end, error] = std::from_chars(ms.data(), ms.data() + ms.size(), number);
    if (!ms.empty() && error == std::errc() && end == ms.data() + ms.size() && number >= 0)
        at_least(stated, clamped(number));
    return stated;
}

Duration until_next_minute(base::WallTime now) {
    auto next = std::chrono::floor<std::chrono::minutes>(now) + std::chrono::minutes(1);
    return std::chrono::ceil<Duration>(next - now);
}

Duration until_next_utc_day(base::WallTime now) {
    auto next = std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1);
    return std::chrono::ceil<Duration>(next - now);
}

Duration until_next_utc_month(base::WallTime now) {
    std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
    std::chrono::sys_days next = (today.year() / today.month() + std::chrono::months(1)) / 1;
    return std::chrono::ceil<Duration>(base::WallTime(next) - now);
}

std::optional<std::uint64_t> number_after(string_view text, string_view label) {
    std::size_t at = text.find(label);
    if (at == text.npos) return std::nullopt;
    string_view rest = text.substr(at + label.size());
    rest = rest.substr(std::min(rest.find_first_not_of(" ~:"), rest.size()));
    std::uint64_t number = 0;
    std::size_t end = 0;
    for (; end < rest.size(); ++end) {
        const bool thousands = rest[end] == ',' && end > 0 && three_digits(rest.substr(end + 1));
        if (thousands) continue;
        if (!is_digit(rest[end]) || number > kLargest) break;
        number = number * 10 + static_cast<std::uint64_t>(rest[end] - '0');
    }
    return end > 0 && number <= kLargest ? std::optional(number) : std::nullopt;
}

}  // namespace llm
