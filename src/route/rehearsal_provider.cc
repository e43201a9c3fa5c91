#include "route/rehearsal_provider.h"

#include "quota/tab.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

namespace route {

namespace {

using namespace std::chrono_literals;
using base::Metric;
using quota::Reset;

/// What adding many fractions may lose.
constexpr double kDust = 1e-6;

base::Duration until(base::WallTime then, base::WallTime now) {
    return std::max(base::Duration(0), std::chrono::ceil<base::Duration>(then - now));
}

}  // namespace

class Counter {
public:
    Counter(const config::Limit& limit, LimitReport report)
        : rule_(quota::rule_of(limit)),
          scope_(limit.scope),
          pool_(limit.pool),
          report_(std::move(report)),
          level_(report_.limit) {}

    const quota::Rule& rule() const { return rule_; }
    LimitReport& report() { return report_; }

    double left(base::WallTime at) {
        advance(at);
        return refills() ? level_ : report_.limit - used_;
    }

    void count(double amount, base::WallTime at) {
        advance(at);
        used_ += amount;
        level_ -= amount;
        if (rule_.metric == Metric::concurrency) return;
        if (rule_.reset == Reset::rolling) entries_.emplace_back(at + rule_.span, amount);
        if (rule_.reset == Reset::first_use && !end_) end_ = at + rule_.span;
    }

    /// One of those under way is over.
    void release() { used_ -= 1; }

    /// Time until `amount` would be let in.
    std::optional<base::Duration> back_in(double amount, base::WallTime at) {
        const double lacking = amount - left(at);
        if (rule_.metric == Metric::concurrency || rule_.reset == Reset::lifetime)
            return std::nullopt;
        if (refills())
            return base::Duration(static_cast<base::Duration::rep>(std::ceil(lacking / per_ms())));
        if (rule_.reset != Reset::rolling) return end_ ? until(*end_, at) : base::Duration(0);
        double returned = 0;
        for (const auto& [leaves, one] : entries_)
            if ((returned += one) + kDust >= lacking) return until(leaves, at);
        return std::nullopt;
    }

    /// The refusal of a call that needs `need`.
    llm::Failure refusal(double need, base::WallTime at) {
        llm::Failure failure;
        failure.status = rule_.metric == Metric::usd ? 402 : 429;
        failure.detail = quota::label(rule_) + " is used up";
        llm::Rate rate{.metric = rule_.metric, .window = rule_.window, .limit = report_.limit};
        if (need > report_.limit) {
            failure.outcome = llm::Outcome::too_large;
            failure.status = 413;
            failure.rate = std::move(rate);
            return failure;
        }
        failure.outcome = outcome();
        failure.window = window();
        failure.back_in = back_in(std::max(need, kDust), at);
        failure.scope = llm::Scope::target;
        if (scope_ == "pool") failure.scope = llm::Scope::pool;
        if (scope_ == "account" || scope_ == "provider") failure.scope = llm::Scope::account;
        failure.pool = pool_;
        if (rule_.metric == Metric::concurrency) return failure;
        rate.pool = pool_;
        rate.reset_in = failure.back_in;
        rate.refused = true;
        failure.rate = std::move(rate);
        return failure;
    }

    /// A call that needs `need` was, or would have been, refused.
    void keep_away(double need, base::WallTime at) {
        ++report_.kept_away;
        if (!report_.exhausted_at && need <= report_.limit) report_.exhausted_at = at;
    }

private:
    bool refills() const {
        return rule_.reset == Reset::token_bucket && rule_.metric != Metric::concurrency;
    }
    double per_ms() const { return report_.limit / static_cast<double>(rule_.span.count()); }

    void advance(base::WallTime at) {
        if (rule_.metric == Metric::concurrency) return;
        switch (rule_.reset) {
            case Reset::token_bucket: refill(at); break;
            case Reset::rolling:
                for (; !entries_.empty() && entries_.front().first <= at; entries_.pop_front())
                    used_ -= entries_.front().second;
                break;
            case Reset::fixed:
            case Reset::calendar_month:
                if (end_ && at < *end_) break;
                used_ = 0;
                end_ = rule_.reset == Reset::fixed
                           ? quota::aligned(at, rule_.span, rule_.time_zone).end
                           : quota::month_around(at, rule_.time_zone).end;
                break;
            case Reset::first_use:
                if (!end_ || at < *end_) break;
                used_ = 0;
                end_.reset();
                break;
            case Reset::lifetime: break;
        }
    }

    void refill(base::WallTime at) {
        const double ms = std::chrono::duration<double, std::milli>(at - seen_).count();
        level_ = std::min(report_.limit, level_ + ms * per_ms());
        seen_ = at;
    }

    llm::Outcome outcome() const {
        if (rule_.metric == Metric::concurrency) return llm::Outcome::busy;
        return rule_.span <= 1min && rule_.reset != Reset::lifetime ? llm::Outcome::rate_limited
                                                                    : llm::Outcome::exhausted;
    }

    llm::Window window() const {
        if (rule_.window == "minute") return llm::Window::minute;
        if (rule_.window == "hour") return llm::Window::hour;
        if (rule_.window == "day") return llm::Window::day;
        return rule_.window == "month" ? llm::Window::month : llm::Window::none;
    }

    quota::Rule rule_;
    std::string scope_;
    std::string pool_;
    LimitReport report_;
    double used_ = 0;
    double level_;                                           ///< token_bucket
    base::WallTime seen_{};                                  ///< token_bucket: as of when
    std::optional<base::WallTime> end_;                      ///< of the window under way
    std::deque<std::pair<base::WallTime, double>> entries_;  ///< rolling: when it leaves, how much
};

namespace {

/// What a provider must have left to let the call in.
double needed(const config::Target& target, Metric metric, const RehearsedCall& call) {
    const bool reserves = call.max_tokens && quota::reserves_output(target.provider);
    const double output = reserves ? static_cast<double>(*call.max_tokens) : 0;
    switch (metric) {
        case Metric::requests:
        case Metric::concurrency: return 1;
        case Metric::tokens: return call.prompt_tokens + output;
        case Metric::input_tokens: return call.prompt_tokens;
        case Metric::output_tokens: return output;
        default: return 0;
    }
}

double taken(const config::Target& target, Metric metric, const RehearsedCall& call) {
    switch (metric) {
        case Metric::requests:
        case Metric::concurrency: return 1;
        case Metric::tokens: return call.prompt_tokens + call.answer_tokens;
        case Metric::input_tokens: return call.prompt_tokens;
        case Metric::output_tokens: return call.answer_tokens;
        case Metric::usd:
            return call.prompt_tokens * target.prices.input_cost_per_token +
                   call.answer_tokens * target.prices.output_cost_per_token;
        default: return 0;
    }
}

/// A chat takes nothing of what counts pictures, sound or plans.
bool counts_chat(Metric metric) {
    return metric != Metric::audio_seconds && metric != Metric::images &&
           metric != Metric::inputs && metric != Metric::utilization;
}

bool lets_in(Counter& counter, double need, base::WallTime at) {
    const double left = counter.left(at);
    return need > 0 ? left + kDust >= need : left > kDust;
}

}  // namespace

EmulatedProviders::EmulatedProviders(const config::Catalog& catalog) : catalog_(catalog) {
    for (const config::Target& target : catalog.targets) {
        std::vector<Counter*>& counters = by_target_.emplace_back();
        for (const config::Limit& limit : target.limits) {
            const quota::Rule rule = quota::rule_of(limit);
            if (!rule.limit || !counts_chat(rule.metric)) continue;
            const std::string key = limit.scope + ':' +
                                    quota::scope_name(target, limit.scope, limit.pool) + ' ' +
                                    quota::label(rule);
            auto& counter = counters_[key];
            if (!counter)
                counter = std::make_unique<Counter>(
                    limit,
                    LimitReport{.key = key, .limit = *rule.limit, .advisory = rule.advisory});
            counters.push_back(counter.get());
        }
    }
}

EmulatedProviders::~EmulatedProviders() = default;

const std::vector<Counter*>& EmulatedProviders::of(const config::Target& target) const {
    return by_target_[static_cast<std::size_t>(&target - catalog_.targets.data())];
}

/// Of several limits that refuse, the one that does so longest.
Counter* EmulatedProviders::refusing(const config::Target& target, const RehearsedCall& call,
                                     base::WallTime at) {
    Counter* longest = nullptr;
    for (Counter* counter : of(target)) {
        const bool lets = lets_in(*counter, needed(target, counter->rule().metric, call), at);
        if (!lets && (!longest || counter->rule().span > longest->rule().span)) longest = counter;
    }
    return longest;
}

std::optional<llm::Failure> EmulatedProviders::ask(const config::Target& target,
                                                   const RehearsedCall& call, base::WallTime at) {
    if (target.max_input_tokens &&
        call.prompt_tokens > static_cast<double>(*target.max_input_tokens))
        return llm::Failure{.outcome = llm::Outcome::context_overflow,
                            .detail = "the prompt is longer than the context window",
                            .status = 400};
    if (Counter* counter = refusing(target, call, at)) {
        const double need = needed(target, counter->rule().metric, call);
        counter->keep_away(need, at);
        for (Counter* other : of(target))
            if (other->rule().failures == quota::Failures::all &&
                other->rule().metric == Metric::requests)
                other->count(1, at);
        return counter->refusal(need, at);
    }
    for (Counter* counter : of(target)) {
        const double amount = taken(target, counter->rule().metric, call);
        counter->count(amount, at);
        LimitReport& report = counter->report();
        if (!report.exhausted_at && counter->left(at) + kDust < amount) report.exhausted_at = at;
    }
    return std::nullopt;
}

void EmulatedProviders::ended(const config::Target& target) {
    for (Counter* counter : of(target))
        if (counter->rule().metric == Metric::concurrency) counter->release();
}

bool EmulatedProviders::spared(const config::Target& target, const RehearsedCall& call,
                               base::WallTime at) {
    Counter* counter = refusing(target, call, at);
    if (counter) counter->keep_away(needed(target, counter->rule().metric, call), at);
    return counter != nullptr;
}

std::vector<LimitReport> EmulatedProviders::limits() const {
    std::vector<LimitReport> reports;
    for (const auto& [key, counter] : counters_) reports.push_back(counter->report());
    return reports;
}

}  // namespace route
