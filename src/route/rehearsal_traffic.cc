#include "route/rehearsal_traffic.h"

#include "base/units.h"
#include "quota/rule.h"
#include "route/rehearsal_dice.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

namespace route {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kDay = 24h;
/// Spread of the sizes: logs of chat traffic lie around these.
constexpr double kPromptSpread = 1.0;
constexpr double kAnswerSpread = 0.8;
constexpr double kLongestPrompt = 100'000;
constexpr double kLongestAnswer = 8'000;
/// English text in usual tokenizers, and how much texts differ.
constexpr double kBytesPerToken = 4.0;
constexpr double kTextSpread = 0.08;

/// Traffic at `time` against the average of a week.
double busyness(base::WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::weekday weekday(day);
    const bool weekend = weekday == std::chrono::Saturday || weekday == std::chrono::Sunday;
    const double hour = std::chrono::duration<double, std::ratio<3600>>(time - day).count();
    return (weekend ? 0.5 : 1.2) * (1 + 0.8 * std::cos((hour - 15) / 12 * std::numbers::pi));
}
constexpr double kBusiest = 1.2 * 1.8;

/// Mean of busyness() over the span.
double usual(base::WallTime begin, base::Duration span) {
    constexpr int kSteps = 2048;
    double sum = 0;
    for (int i = 0; i < kSteps; ++i) sum += busyness(begin + span * i / kSteps);
    return sum / kSteps;
}

/// Draws aliases by weight.
class Choice {
public:
    explicit Choice(const std::vector<std::pair<std::string, double>>& aliases) {
        for (const auto& [name, weight] : aliases) up_to_.push_back(total_ += weight);
    }
    std::size_t draw(Dice& dice) const {
        const auto at = std::upper_bound(up_to_.begin(), up_to_.end(), dice.share() * total_);
        return std::min<std::size_t>(static_cast<std::size_t>(at - up_to_.begin()),
                                     up_to_.size() - 1);
    }

private:
    std::vector<double> up_to_;
    double total_ = 0;
};

}  // namespace

std::uint64_t bytes_for(double tokens, Dice& dice) {
    return static_cast<std::uint64_t>(
        std::max(1.0, tokens * dice.skewed(kBytesPerToken, kTextSpread)));
}

Traffic generate(const TrafficPlan& plan) {
    Traffic traffic;
    traffic.begin = *base::utc(2026, 6, 1, 0, 0, 0);
    for (const auto& [name, weight] : plan.aliases) traffic.aliases.push_back(name);
    Dice dice(plan.seed);
    const Choice choice(plan.aliases);
    const double usually = usual(traffic.begin, plan.span);
    const double peak_per_ms =
        plan.per_day / static_cast<double>(kDay.count()) * kBusiest / usually;
    double at = 0;
    while (plan.per_day > 0 && !plan.aliases.empty()) {
        at += dice.wait(peak_per_ms);
        if (at >= static_cast<double>(plan.span.count())) break;
        const base::WallTime time =
            traffic.begin + base::Duration(static_cast<base::Duration::rep>(at));
        if (dice.share() * kBusiest >= busyness(time)) continue;
        Arrival arrival{.time = time, .alias = choice.draw(dice)};
        arrival.prompt_tokens = std::clamp(
            std::round(dice.skewed(plan.prompt_tokens, kPromptSpread)), 1.0, kLongestPrompt);
        arrival.answer_tokens = std::clamp(
            std::round(dice.skewed(plan.answer_tokens, kAnswerSpread)), 1.0, kLongestAnswer);
        arrival.prompt_bytes = bytes_for(arrival.prompt_tokens, dice);
        traffic.arrivals.push_back(arrival);
    }
    return traffic;
}

std::optional<double> parse_rate(std::string_view text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::string_view digits = base::trim(text.substr(0, slash));
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool read = error == std::errc() && end == digits.data() + digits.size();
    if (!read || !(number > 0) || number > 1e12) return std::nullopt;
    if (slash == text.size()) return number;
    const auto span = parse_span(base::trim(text.substr(slash + 1)));
    if (!span) return std::nullopt;
    return number * static_cast<double>(kDay.count()) / static_cast<double>(span->count());
}

std::optional<base::Duration> parse_span(std::string_view text) {
    const base::Duration span = text == "month" ? 30 * kDay : quota::span_of(text);
    if (span <= 0ms || span > 366 * kDay) return std::nullopt;
    return span;
}

}  // namespace route
