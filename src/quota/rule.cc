#include "quota/rule.h"

#include "base/units.h"

#include <array>
#include <utility>

namespace quota {
namespace {

using namespace std::chrono_literals;

constexpr std::array kResets{
    std::pair{Reset::token_bucket, std::string_view("token_bucket")},
    std::pair{Reset::rolling, std::string_view("rolling")},
    std::pair{Reset::fixed, std::string_view("fixed")},
    std::pair{Reset::calendar_month, std::string_view("calendar_month")},
    std::pair{Reset::first_use, std::string_view("first_use")},
    std::pair{Reset::lifetime, std::string_view("lifetime")},
};

Failures failures_named(std::string_view name) {
    if (name == "all") return Failures::all;
    if (name == "none") return Failures::none;
    return Failures::answered;
}

}  // namespace

std::string_view name(Reset reset) {
    for (const auto& [value, word] : kResets)
        if (value == reset) return word;
    return "rolling";
}

std::optional<Reset> reset_named(std::string_view name) {
    for (const auto& [value, word] : kResets)
        if (word == name) return value;
    return std::nullopt;
}

Rule rule_of(const config::Limit& limit) {
    Rule rule;
    rule.metric = base::metric_named(limit.metric).value_or(Metric::requests);
    rule.window = limit.window;
    rule.span = span_of(limit.window);
    rule.reset = reset_named(limit.reset).value_or(Reset::rolling);
    if (rule.reset == Reset::fixed && limit.window == "month") rule.reset = Reset::calendar_month;
    rule.limit = limit.limit;
    rule.time_zone = limit.time_zone;
    rule.failures = failures_named(limit.failures);
    rule.cached = limit.cached;
    rule.advisory = limit.advisory;
    return rule;
}

base::Duration span_of(std::string_view window) {
    if (window == "second") return 1s;
    if (window == "minute") return 1min;
    if (window == "hour") return 1h;
    if (window == "day") return 24h;
    if (window == "week") return 7 * 24h;
    if (window == "month") return 31 * 24h;
    if (window.ends_with('w')) {
        std::string days(window.substr(0, window.size() - 1));
        return 7 * base::parse_duration(days + 'd').value_or(base::Duration(0));
    }
    return base::parse_duration(window).value_or(base::Duration(0));
}

std::string label(const Rule& rule) {
    std::string out(base::name(rule.metric));
    if (!rule.window.empty()) out.append(1, '/').append(rule.window);
    return out;
}

}  // namespace quota
