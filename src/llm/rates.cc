#include "llm/rates.h"

#include "base/units.h"
#include "llm/rate_policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace llm {

using base::Metric;
using base::Provider;
using std::string_view;

/// What one header's name says of its value.
struct RateReader::Field {
    enum class Figure { limit, remaining, reset };
    Figure figure = Figure::limit;
    Metric metric = Metric::requests;
    string_view window{};
};

namespace {

constexpr std::size_t kLongestName = 64;
constexpr double kMost = 1e15;

struct MetricWord {
    string_view word;
    Metric metric;
};
constexpr auto kMetricWords = std::to_array<MetricWord>({{"requests", Metric::requests},
                                                         {"req", Metric::requests},
                                                         {"tokens", Metric::tokens},
                                                         {"input-tokens", Metric::input_tokens},
                                                         {"output-tokens", Metric::output_tokens},
                                                         {"input-images", Metric::images},
                                                         {"images", Metric::images},
                                                         {"audio-seconds", Metric::audio_seconds}});
constexpr auto kFigureWords = std::to_array<string_view>({"limit", "remaining", "reset"});
constexpr auto kWindowWords = std::to_array<string_view>({"minute", "hour", "day", "month"});

std::optional<double> amount(string_view text) {
    if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value <= kMost ? std::optional(value) : std::nullopt;
}

bool take_prefix(string_view& text, string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// Takes `word` off one end of the dashed words.
bool take_first(string_view& words, string_view word) {
    if (!words.starts_with(word)) return false;
    if (words.size() > word.size() && words[word.size()] != '-') return false;
    words.remove_prefix(std::min(word.size() + 1, words.size()));
    return true;
}

bool take_last(string_view& words, string_view word) {
    if (!words.ends_with(word)) return false;
    const std::size_t left = words.size() - word.size();
    if (left > 0 && words[left - 1] != '-') return false;
    words.remove_suffix(std::min(word.size() + 1, words.size()));
    return true;
}

/// Groq's axes are fixed, Anthropic's are all per minute.
string_view usual_window(Provider provider, Metric metric) {
    if (provider == Provider::anthropic) return "minute";
    if (provider != Provider::groq) return {};
    if (metric == Metric::requests) return "day";
    return metric == Metric::tokens ? "minute" : "";
}

/// A bucket that refills all the time is full again after (limit - remaining) * window / limit.
/// Neither near a minute nor near a day: no such bucket.
string_view refill_window(const Rate& rate) {
    if (!rate.limit || !rate.remaining || !rate.reset_in) return {};
    const double missing = *rate.limit - *rate.remaining;
    if (missing <= 0) return {};
    const double seconds =
        static_cast<double>(rate.reset_in->count()) / 1000 * *rate.limit / missing;
    constexpr double kTolerance = 6;
    auto near = [seconds](double span) {
        return seconds > span / kTolerance && seconds < span * kTolerance;
    };
    if (near(60)) return "minute";
    return near(86400) ? "day" : "";
}

/// OpenRouter counts its free models by the minute (20) and by UTC's day (50 or 1000).
string_view free_window(const Rate& rate, base::WallTime now) {
    if (!rate.reset_in) return {};
    constexpr base::Duration kMinute{61'000};
    constexpr base::Duration kDay = std::chrono::hours(24) + std::chrono::minutes(1);
    constexpr double kLeastOfDay = 50;
    if (*rate.reset_in > kMinute) return *rate.reset_in <= kDay ? "day" : "";
    const base::WallTime reset = now + *rate.reset_in;
    const bool midnight = std::chrono::abs(reset - std::chrono::round<std::chrono::days>(reset)) <=
                          std::chrono::seconds(1);
    const bool plenty = rate.limit && *rate.limit >= kLeastOfDay;
    if (midnight && !rate.limit) return {};
    if (plenty) return midnight ? "day" : "";
    return "minute";
}

bool says_something(const Rate& rate) {
    const bool prohibited = rate.limit && *rate.limit <= 0;
    return !prohibited && (rate.limit || rate.remaining || rate.used || rate.refused);
}

}  // namespace

Rate& RateReader::slot(Metric metric, string_view window) {
    for (Rate& rate : found_)
        if (rate.metric == metric && rate.window == window) return rate;
    Rate& added = found_.emplace_back();
    added.metric = metric;
    added.window = window;
    if (provider_ == Provider::openrouter) added.pool = kOpenRouterFree;
    return added;
}

void RateReader::set(const Field& field, string_view value) {
    if (field.figure == Field::Figure::reset) {
        std::optional<base::Duration> reset = base::parse_return(value, now_);
        if (!reset) return;
        Rate& rate = slot(field.metric, field.window);
        if (!rate.reset_in) rate.reset_in = reset;
        return;
    }
    const std::optional<double> number = amount(value);
    if (!number) return;
    Rate& rate = slot(field.metric, field.window);
    std::optional<double>& into =
        field.figure == Field::Figure::limit ? rate.limit : rate.remaining;
    if (!into) into = number;
}

/// `limit-requests-day`, `requests-limit`, `reset-tokens`. `bare`: what a name without a
/// metric counts.
void RateReader::read_grid(string_view words, string_view value, std::optional<Metric> bare) {
    Field field;
    bool known = false;
    for (std::size_t i = 0; i < kFigureWords.size() && !known; ++i) {
        known = take_first(words, kFigureWords[i]) || take_last(words, kFigureWords[i]);
        field.figure = static_cast<Field::Figure>(i);
    }
    if (!known) return;
    for (string_view window : kWindowWords)
        if (field.window.empty() && take_last(words, window)) field.window = window;
    auto metric = std::ranges::find(kMetricWords, words, &MetricWord::word);
    if (metric != kMetricWords.end())
        field.metric = metric->metric;
    else if (words.empty() && bare)
        field.metric = *bare;
    else
        return;
    if (field.window.empty()) field.window = usual_window(provider_, field.metric);
    set(field, value);
}

/// Subscriptions: `5h-utilization`, `7d-reset`, `5h-status`, `status`.
void RateReader::read_plan(string_view words, string_view value) {
    if (words == "status") plan_serves_ = value.starts_with("allowed");
    const string_view window = words.substr(0, 2);
    if ((window != "5h" && window != "7d") || !take_first(words, window)) return;
    if (words == "reset") return set({Field::Figure::reset, Metric::utilization, window}, value);
    Rate& rate = slot(Metric::utilization, window);
    if (words == "status") rate.refused = value == "rejected";
    const std::optional<double> share = amount(value);
    constexpr double kMostShare = 2;
    if (words != "utilization" || !share || *share > kMostShare) return;
    rate.used = share;
    rate.limit = 1;
}

void RateReader::read_cohere(string_view name, string_view value) {
    if (name == "x-trial-endpoint-call-limit")
        set({Field::Figure::limit, Metric::requests, "minute"}, value);
    else if (name == "x-trial-endpoint-call-remaining")
        set({Field::Figure::remaining, Metric::requests, "minute"}, value);
    else if (name == "x-endpoint-monthly-call-limit")
        set({Field::Figure::limit, Metric::requests, "month"}, value);
}

/// The IETF's fields; `limit` may carry the list of policies after the quota in force.
void RateReader::read_standard(string_view field, string_view value) {
    if (field.empty()) {
        standard_ = value;
    } else if (field == "-policy") {
        policies_ = value;
    } else if (take_prefix(field, "-")) {
        if (field == "limit" && policies_.empty() && value.find(";w=") != value.npos)
            policies_ = value;
        read_grid(field, base::trim(value.substr(0, value.find_first_of(",;"))), Metric::requests);
    }
}

void RateReader::add_standard() {
    if (std::optional<PolicyItem> item = policy_item(standard_, {})) {
        set({Field::Figure::remaining, Metric::requests, {}}, item->remaining);
        set({Field::Figure::reset, Metric::requests, {}}, item->reset);
        std::optional<PolicyItem> policy = policy_item(policies_, item->head);
        if (!policy) return;
        set({Field::Figure::limit, Metric::requests, {}}, policy->quota);
        slot(Metric::requests, {}).window = window_of_seconds(policy->window);
        return;
    }
    Rate& rate = slot(Metric::requests, {});
    const string_view quota = base::trim(policies_.substr(0, policies_.find_first_of(",;")));
    std::optional<PolicyItem> policy = policy_item(policies_, quota);
    const bool same = policy && (!rate.limit || rate.limit == amount(policy->head));
    if (same) rate.window = window_of_seconds(policy->window);
}

void RateReader::read(string_view name, string_view value) {
    std::array<char, kLongestName> buffer;
    if (name.size() > buffer.size()) return;
    std::ranges::transform(name, buffer.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    string_view words(buffer.data(), name.size());
    value = base::trim(value);
    switch (provider_) {
        case Provider::huggingface:  // what comes through is a backend's, not this account's
        case Provider::ollama: return;
        case Provider::cohere: return read_cohere(words, value);
        case Provider::anthropic:
            if (!take_prefix(words, "anthropic-ratelimit-")) return;
            if (take_prefix(words, "unified-")) return read_plan(words, value);
            return read_grid(words, value, std::nullopt);
        case Provider::mistral:
            if (take_prefix(words, "x-ratelimitbysize-") || take_prefix(words, "ratelimitbysize-"))
                return read_grid(words, value, Metric::tokens);
            break;
        case Provider::openai_compatible:
            if (take_prefix(words, "ratelimit")) return read_standard(words, value);
            break;
        default: break;
    }
    const bool bare = provider_ == Provider::openrouter || provider_ == Provider::openai_compatible;
    if (take_prefix(words, "x-ratelimit-"))
        read_grid(words, value, bare ? std::optional(Metric::requests) : std::nullopt);
}

std::string RateReader::inferred_window(const Rate& rate) const {
    switch (provider_) {
        case Provider::openai: return std::string(refill_window(rate));
        case Provider::openrouter: return std::string(free_window(rate, now_));
        case Provider::mistral: {  // its clock's minute
            constexpr base::Duration kMinute{60'000};
            return rate.reset_in && *rate.reset_in <= kMinute ? "minute" : "";
        }
        default: return {};
    }
}

std::vector<Rate> RateReader::rates() {
    if (!standard_.empty() || !policies_.empty()) add_standard();
    if (found_.empty()) return {};
    auto has = [this](Metric metric, string_view window) {
        return std::ranges::any_of(found_, [metric, window](const Rate& rate) {
            return rate.metric == metric && rate.window == window;
        });
    };
    // Anthropic's combined view is whichever of the two is tighter.
    const bool parted = provider_ == Provider::anthropic && (has(Metric::input_tokens, "minute") ||
                                                             has(Metric::output_tokens, "minute"));
    std::erase_if(found_, [parted](const Rate& rate) {
        return !says_something(rate) || (parted && rate.metric == Metric::tokens);
    });
    std::vector<Rate> out;
    for (Rate& rate : found_) {
        std::string window = rate.window.empty() ? inferred_window(rate) : std::string();
        if (!window.empty() && has(rate.metric, window)) continue;
        if (!window.empty()) rate.window = std::move(window);
        rate.refused = rate.refused && !plan_serves_;
        out.push_back(rate);
    }
    return out;
}

std::vector<Rate> header_rates(Provider provider, const Reply& reply, base::WallTime now) {
    RateReader reader(provider, now);
    for (const Header& header : reply.headers) reader.header(header.name, header.value);
    return reader.rates();
}

}  // namespace llm
