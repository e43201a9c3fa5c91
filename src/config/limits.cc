#include "config/model_info.h"

#include "base/units.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>

namespace config {
namespace {

/// Whole numbers up to here are exact in a double.
constexpr double kMostUnits = 1e15;

using Words = std::span<const std::string_view>;

constexpr std::string_view kMetrics[] = {"requests",      "tokens",        "input_tokens",
                                         "output_tokens", "audio_seconds", "images",
                                         "inputs",        "usd",           "concurrency"};
constexpr std::string_view kResets[] = {"token_bucket",   "rolling",   "fixed",
                                        "calendar_month", "first_use", "lifetime"};
constexpr std::string_view kScopes[] = {"target", "model", "account", "pool", "provider"};
constexpr std::string_view kFailures[] = {"answered", "all", "none"};
constexpr std::string_view kKeys[] = {"metric",         "window",      "limit",     "reset",
                                      "scope",          "pool",        "time_zone", "advisory",
                                      "count_failures", "count_cached"};
constexpr std::string_view kWindows[] = {"second", "minute", "hour", "day", "week", "month"};

bool one_of(Words words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

bool known_zone(const std::string& name) {
    if (name == "UTC") return true;
    try {
        return date::locate_zone(name) != nullptr;
    } catch (const std::runtime_error&) {
        return false;
    }
}

std::string listed(Words words) {
    std::string text;
    for (std::string_view word : words) text += (text.empty() ? "" : ", ") + std::string(word);
    return text;
}

/// Words of LiteLLM-era tables for ours.
std::string_view modern(std::string_view word) {
    if (word == "bucket") return "token_bucket";
    if (word == "fixed_utc") return "fixed";
    if (word == "unknown") return "rolling";
    if (word == "key") return "account";
    return word;
}

/// `minute`, or a count of seconds, minutes, hours, days, weeks: `30s`, `5h`, `7d`.
bool window(std::string_view text) {
    if (one_of(kWindows, text)) return true;
    if (text.size() < 2 || !std::string_view("smhdw").contains(text.back())) return false;
    text.remove_suffix(1);
    return text.front() != '0' &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

class LimitReader {
public:
    LimitReader(const Value& value, Findings& findings) : value_(value), findings_(findings) {}

    std::optional<Limit> read() {
        for (const Member& member : value_.members) {
            if (one_of(kKeys, member.name)) continue;
            findings_.warning(member.value, fmt::format("unknown key `{}` in a limit is not read; "
                                                        "known are {}",
                                                        member.name, listed(kKeys)));
        }
        Limit limit;
        limit.metric = word("metric", "", kMetrics);
        limit.reset = word("reset", "rolling", kResets);
        limit.scope = word("scope", "target", kScopes);
        limit.pool = text_of(value_, "pool", findings_).value_or("");
        limit.time_zone = text_of(value_, "time_zone", findings_).value_or("UTC");
        limit.failures = word("count_failures", "answered", kFailures);
        limit.cached = boolean_of(value_, "count_cached", findings_).value_or(true);
        limit.advisory = boolean_of(value_, "advisory", findings_).value_or(false);
        limit.window = text_of(value_, "window", findings_).value_or("");
        bool windowless = limit.reset == "lifetime" || limit.metric == "concurrency";
        if (!window(limit.window) && !(windowless && limit.window.empty())) {
            bad("window", fmt::format("{} or a span such as 30s, 5h, 7d", listed(kWindows)));
        }
        if (limit.scope == "pool" && limit.pool.empty()) bad("pool", "the name of the pool");
        if (!known_zone(limit.time_zone)) bad("time_zone", "a name such as UTC or Europe/Berlin");
        if (value_.find("limit")) {
            limit.limit = number_of(value_, "limit", findings_);
            if (!limit.limit) good_ = false;
            if (limit.limit && !(*limit.limit >= 0 && *limit.limit <= kMostUnits))
                bad("limit", "a number from 0 to 1e15, or null for one that is to be learned");
        } else if (!says_null("limit")) {
            bad("limit", "a number from 0, or null for one that is to be learned");
        }
        return good_ ? std::optional(std::move(limit)) : std::nullopt;
    }

private:
    std::string word(std::string_view name, std::string_view otherwise, Words words) {
        std::string text(modern(text_of(value_, name, findings_).value_or(std::string(otherwise))));
        if (!one_of(words, text)) bad(name, "one of " + listed(words));
        return text;
    }

    void bad(std::string_view name, const std::string& wanted) {
        good_ = false;
        const Value* member = value_.find(name);
        findings_.error(
            member ? *member : value_,
            fmt::format("`{}` of a limit must be {}; the limit is left out", name, wanted));
    }

    bool says_null(std::string_view name) const {
        return std::ranges::find(value_.members, name, &Member::name) != value_.members.end();
    }

    const Value& value_;
    Findings& findings_;
    bool good_ = true;
};

}  // namespace

std::vector<Limit> read_limits(const Value& list, Findings& findings) {
    std::vector<Limit> limits;
    for (const Value& item : list.items) {
        if (!item.is_map()) {
            findings.error(item, "a limit is a mapping {metric, window, limit, reset, scope}");
            continue;
        }
        if (auto limit = LimitReader(item, findings).read()) limits.push_back(std::move(*limit));
    }
    return limits;
}

}  // namespace config
