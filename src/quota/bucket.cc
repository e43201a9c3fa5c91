#include "quota/bucket.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

namespace quota {
namespace {

using namespace std::chrono_literals;

constexpr double kInfinite = std::numeric_limits<double>::infinity();
/// Nobody knows when a call under way ends: worth asking again after this long.
constexpr base::Duration kBusy{1'000};
constexpr base::Duration kFading{600'000};

constexpr std::array kSources{
    std::pair{Source::configured, std::string_view("configured")},
    std::pair{Source::counted, std::string_view("counted")},
    std::pair{Source::header, std::string_view("header")},
    std::pair{Source::refusal, std::string_view("refusal")},
    std::pair{Source::discovered, std::string_view("discovered")},
    std::pair{Source::operator_set, std::string_view("operator")},
    std::pair{Source::restored, std::string_view("restored")},
};

/// Written at once and in this order: the mark must be right whenever the process is killed.
template <class T>
void put(T& where, T value) {
    std::atomic_ref(where).store(value, std::memory_order_release);
}

double faded(double rate, base::Duration span, base::Time::duration elapsed) {
    return rate *
           std::exp(-std::chrono::duration<double>(elapsed) / std::chrono::duration<double>(span));
}

base::Duration fading(const Rule& rule) {
    return rule.span > 0ms ? std::min(rule.span, kFading) : kFading;
}

}  // namespace

std::string_view name(Source source) {
    for (const auto& [value, word] : kSources)
        if (value == source) return word;
    return "configured";
}

std::optional<Source> source_named(std::string_view name) {
    for (const auto& [value, word] : kSources)
        if (word == name) return value;
    return std::nullopt;
}

Bucket::Bucket(std::string key, Rule rule)
    : key_(std::move(key)), rule_(std::move(rule)), usage_(terms()) {}

bool Bucket::counts() const {
    return rule_.metric != Metric::concurrency && rule_.metric != Metric::utilization;
}

Terms Bucket::terms() const { return {rule_.reset, rule_.span, rule_.time_zone, limit()}; }

base::Now Bucket::advance(base::Now now) {
    latest_ = now.steady = std::max(latest_, now.steady);
    for (; !lost_.empty() && lost_.front().first <= now.steady; lost_.pop_front())
        count(lost_.front().second, lost_.front().first, now);
    while (!holds_.empty()) {
        const Open oldest = holds_.front();
        const base::Time counted = oldest.since + kCountedWithin;
        if (!oldest.done && counted > now.steady) break;
        if (!oldest.done) {
            holds_.front().done = true;
            charge_at({first_, oldest.amount, counted, oldest.since}, now);
            release(oldest.amount);
        }
        holds_.pop_front();
        ++first_;
    }
    for (; !leaving_.empty() && leaving_.front().first <= now.steady;
         leaving_.erase(leaving_.begin()))
        release(leaving_.front().second);
    if (closed_until_ && *closed_until_ <= now.steady) closed_until_.reset();
    usage_.advance(now);
    return now;
}

void Bucket::replace(Rule rule, base::Now now) {
    now = advance(now);
    rule_ = std::move(rule);
    usage_.change(terms(), now);
}

std::optional<double> Bucket::limit() const {
    if (!learned_ || !rule_.limit || rule_.advisory) return learned_ ? learned_ : rule_.limit;
    return std::min(*rule_.limit, *learned_);
}

bool Bucket::blocks() const { return limit() && (!rule_.advisory || learned_ || closed_until_); }

double Bucket::available(base::Now now) {
    advance(now);
    const auto ceiling = limit();
    const double left = ceiling ? *ceiling - usage_.used() - held() : kInfinite;
    return closed_until_ ? std::min(left, 0.0) : left;
}

double Bucket::used(base::Now now) {
    advance(now);
    return usage_.used() + held();
}

std::optional<base::Duration> Bucket::earliest(double amount, base::Now now) {
    now = advance(now);
    base::Duration wait(0);
    if (closed_until_) wait = std::chrono::ceil<base::Duration>(*closed_until_ - now.steady);
    const auto ceiling = limit();
    if (!ceiling) return wait;
    if (amount > *ceiling + Usage::kDust) return std::nullopt;
    const double excess = usage_.used() + held() + amount - *ceiling;
    if (excess <= Usage::kDust) return wait;
    if (rule_.metric == Metric::concurrency) {
        const base::Duration free_in =
            leaving_.empty()
                ? kBusy
                : std::chrono::ceil<base::Duration>(leaving_.front().first - now.steady);
        return std::max(wait, free_in);
    }
    const auto gone = usage_.gone_in(excess, held(), now);
    if (!gone) return std::nullopt;
    return std::max(wait, std::chrono::ceil<base::Duration>(*gone));
}

std::optional<base::Duration> Bucket::whole_in(base::Now now) {
    now = advance(now);
    base::Duration wait(0);
    if (closed_until_) wait = std::chrono::ceil<base::Duration>(*closed_until_ - now.steady);
    const double used = usage_.used() + held();
    if (used <= Usage::kDust) return wait;
    if (rule_.metric == Metric::concurrency) return std::max(wait, kBusy);
    const auto gone = usage_.gone_in(used, held(), now);
    if (!gone) return std::nullopt;
    return std::max(wait, std::chrono::ceil<base::Duration>(*gone));
}

Hold Bucket::hold(double amount, base::Now now) {
    now = advance(now);
    if (rule_.metric == Metric::utilization) amount = 0;
    const Hold taken{first_ + holds_.size(), amount, now.steady, mark_->charged};
    if (counts()) holds_.push_back({amount, now.steady, false});
    put(mark_->held, mark_->held + amount);
    if (shared_) grant_.left = std::max(0.0, grant_.left - amount);
    return taken;
}

Bucket::Open* Bucket::open(const Hold& hold) {
    if (hold.number < first_ || hold.number - first_ >= holds_.size()) return nullptr;
    Open& found = holds_[hold.number - first_];
    return found.done ? nullptr : &found;
}

void Bucket::release(double amount) {
    const bool none =
        counts() && std::ranges::all_of(holds_, [](const Open& open) { return open.done; });
    put(mark_->held, none ? 0.0 : std::max(0.0, mark_->held - amount));
}

void Bucket::mark_more(double amount, base::Now now) {
    const auto wall = std::chrono::ceil<base::Duration>(now.wall.time_since_epoch());
    put(mark_->last_charge, wall.count());
    put(mark_->charged, mark_->charged + amount);
}

void Bucket::charge_at(const Charge& charge, base::Now now) {
    usage_.charge(charge, now);
    said_by(Source::counted, now);
    spent_ += charge.amount;
    mark_more(charge.amount, {charge.stamp, now.wall - (now.steady - charge.stamp)});
    const base::Duration span = fading(rule_);
    rate_ = faded(rate_, span, std::max(charge.stamp - rate_at_, 0ns)) +
            charge.amount / std::chrono::duration<double>(span).count();
    rate_at_ = std::max(rate_at_, charge.stamp);
}

void Bucket::count(const Hold& hold, base::Time stamp, base::Now now) {
    Open* const found = open(hold);
    if (!found) return;
    found->done = true;
    charge_at({hold.number, hold.amount, stamp, std::min(hold.since, holds_.front().since)}, now);
    release(hold.amount);
}

void Bucket::charge(const Hold& hold, base::Now now) {
    if (!counts()) return;
    now = advance(now);
    count(hold, now.steady, now);
}

void Bucket::lost(const Hold& hold, base::Now now) {
    if (!counts()) return settle(hold, hold.amount, now);
    now = advance(now);
    if (open(hold)) lost_.emplace_back(now.steady + kLeftWithin, hold);
}

void Bucket::correct(std::uint64_t number, double less) {
    const double before = usage_.used();
    usage_.correct(number, less);
    spent_ -= before - usage_.used();
}

void Bucket::settle(const Hold& hold, double used, base::Now now) {
    if (!counts()) {
        leaving_.emplace_back(advance(now).steady + kSlotLeaves, hold.amount);
        return;
    }
    charge(hold, now);
    now = advance(now);
    const double less = hold.amount - used;
    correct(hold.number, std::max(less, 0.0));
    if (less < 0) charge_at({0, -less, now.steady, hold.since}, now);
}

void Bucket::refund(const Hold& hold) {
    if (!counts()) return release(hold.amount);
    if (Open* const found = open(hold)) {
        found->done = true;
        release(hold.amount);
    } else {
        correct(hold.number, hold.amount);
    }
}

void Bucket::said_by(Source source, base::Now now) {
    source_ = source;
    source_at_ = now.wall;
}

void Bucket::close(base::Duration back_in, Source source, base::Now now) {
    now = advance(now);
    said_by(source, now);
    const base::Time until = now.steady + back_in;
    if (until > now.steady) closed_until_ = std::max(closed_until_.value_or(until), until);
}

void Bucket::set_used(double used, base::Now now) {
    now = advance(now);
    closed_until_.reset();
    said_by(Source::operator_set, now);
    const double more = used - usage_.used();
    usage_.move_to(used, now);
    if (more > 0) mark_more(more, now);
}

double Bucket::rate(base::Now now) const {
    return faded(rate_, fading(rule_), std::max(now.steady - rate_at_, 0ns));
}

void Bucket::share(bool shared) { shared_ = shared; }

void Bucket::grant(double amount, base::Time until) {
    if (latest_ >= grant_.until) grant_.left = 0;
    grant_ = {grant_.left + amount, until};
}

double Bucket::withdraw() { return std::exchange(grant_.left, 0); }

double Bucket::granted(base::Now now) const { return now.steady < grant_.until ? grant_.left : 0; }

void Bucket::attach(Mark* mark) {
    put(mark->last_charge, mark_->last_charge);
    put(mark->charged, mark_->charged);
    put(mark->held, mark_->held);
    mark_ = mark;
}

}  // namespace quota
