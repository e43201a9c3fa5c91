#include "quota/bucket_usage.h"

#include <algorithm>
#include <cmath>

namespace quota {
namespace {

using namespace std::chrono_literals;

/// A clock that is set back by less than this does not begin an earlier period again.
constexpr base::Duration kSmallStep{60'000};
/// Newest rolling charges, which are kept apart: their calls may yet be corrected.
constexpr std::size_t kNewest = Usage::kMost / 4;

double ratio(Usage::Span part, Usage::Span whole) {
    return static_cast<double>(part.count()) / static_cast<double>(whole.count());
}

Usage::Span times(base::Duration span, double factor) {
    constexpr double kLongest = 100 * 366 * 24 * 3.6e12;
    const double ns = static_cast<double>(Usage::Span(span).count()) * factor;
    return Usage::Span(static_cast<Usage::Span::rep>(std::ceil(std::min(ns, kLongest))));
}

base::Now at_time(base::Time stamp, base::Now now) {
    return {stamp, now.wall - (now.steady - stamp)};
}

}  // namespace

bool Usage::refills() const {
    return terms_.reset == Reset::token_bucket && terms_.limit.value_or(0) > 0 && terms_.span > 0ms;
}

bool Usage::rolls() const {
    return terms_.reset == Reset::rolling || (terms_.reset == Reset::token_bucket && !refills());
}

Period Usage::around(base::WallTime at) const {
    return terms_.reset == Reset::calendar_month ? month_around(at, terms_.time_zone)
                                                 : aligned(at, terms_.span, terms_.time_zone);
}

double Usage::drained(double level, Span elapsed) const {
    if (elapsed <= Span(0)) return level;
    return std::max(0.0, level - *terms_.limit * ratio(elapsed, terms_.span));
}

void Usage::replay() {
    double level = level_before_;
    base::Time at = level_at_;
    for (const Charge& charge : charges_) {
        level = drained(level, charge.stamp - at) + charge.amount;
        at = std::max(at, charge.stamp);
    }
    used_ = drained(level, at_ - at);
}

void Usage::change(Terms terms, base::Now now) {
    if (terms == terms_) return;
    const bool rolled = rolls();
    const bool window_stays = terms.reset == terms_.reset && terms.span == terms_.span &&
                              terms.time_zone == terms_.time_zone &&
                              terms.reset != Reset::token_bucket;
    terms_ = std::move(terms);
    if (window_stays || (rolled && rolls())) return;
    const double used = std::exchange(used_, 0);
    charges_.clear();
    period_.reset();
    window_.reset();
    level_before_ = 0;
    advance(now);
    move_to(used, now);
}

void Usage::advance(base::Now now) {
    const base::Time before = std::exchange(at_, std::max(at_, now.steady));
    if (refills()) {
        used_ = drained(used_, at_ - before);
    } else if (rolls()) {
        while (!charges_.empty() && charges_.front().stamp + terms_.span <= at_) {
            used_ -= charges_.front().amount;
            charges_.pop_front();
        }
        if (charges_.empty()) used_ = 0;
    } else if (terms_.reset == Reset::fixed || terms_.reset == Reset::calendar_month) {
        roll_period(now);
    } else if (terms_.reset == Reset::first_use) {
        roll_window();
    }
}

void Usage::roll_period(base::Now now) {
    if (!period_) {
        period_ = around(now.wall);
        period_began_ = base::Time::min();
    } else if (now.wall >= period_->end) {
        // A learned end may lie beside the clock's: the next period ends with the clock's after.
        Period next = around(period_->end + terms_.span / 2);
        next.begin = period_->end;
        if (next.end <= now.wall) next = around(now.wall);
        period_ = next;
        period_began_ = now.steady - (now.wall - next.begin);
        used_ = 0;
        charges_.clear();
    } else if (now.wall + std::min(terms_.span, kSmallStep) < period_->begin) {
        period_ = around(now.wall);
    }
}

void Usage::roll_window() {
    while (window_ && at_ >= window_->latest) {
        const FirstUseWindow old = *window_;
        std::erase_if(charges_, [&](const Charge& charge) { return charge.stamp < old.earliest; });
        used_ = old.of_next;
        window_.reset();
        if (!old.next) continue;
        window_.emplace();
        window_->earliest = old.earliest + terms_.span;
        window_->latest = *old.next + terms_.span;
        window_->opens_by = old.latest;
    }
    if (!window_) {
        used_ = 0;
        charges_.clear();
    }
}

void Usage::count_in_window(const Charge& charge) {
    if (!window_) {
        window_.emplace();
        window_->earliest = charge.since + terms_.span;
        window_->opener = charge.number;
        window_->latest = charge.stamp + terms_.span;
    }
    if (window_->opens_by) {
        window_->latest = std::max(window_->latest, charge.stamp + terms_.span);
        if (charge.since >= *window_->opens_by) window_->opens_by.reset();
    }
    if (charge.stamp < window_->earliest) return;
    window_->next = charge.stamp;
    window_->of_next += charge.amount;
}

void Usage::charge(const Charge& charge, base::Now now) {
    advance(at_time(charge.stamp, now));
    if (refills() && used_ <= 0) {
        charges_.clear();
        level_before_ = 0;
        level_at_ = at_;
    }
    if (period_ && charge.stamp < period_began_) return;
    if (terms_.reset == Reset::first_use) count_in_window(charge);
    used_ += charge.amount;
    last_stamp_ = std::max(last_stamp_, charge.stamp);
    remember(charge);
}

void Usage::remember(const Charge& charge) {
    if (terms_.reset == Reset::lifetime) return;
    if (charge.number == 0 && !refills() && !rolls()) return;
    Charge& kept = charges_.emplace_back(charge);
    kept.stamp = std::max(kept.stamp, at_);
    if (charges_.size() <= kMost) return;
    if (rolls()) return merge();
    const Charge oldest = charges_.front();
    charges_.pop_front();
    level_before_ =
        refills() ? drained(level_before_, oldest.stamp - level_at_) + oldest.amount : 0;
    level_at_ = oldest.stamp;
}

/// All but the newest that fall into the same 512th of the window become one.
void Usage::merge() {
    const auto cell = std::max<Span>(Span(terms_.span) / (kMost / 2), 1ns);
    std::deque<Charge> merged;
    for (std::size_t i = 0; i < charges_.size(); ++i) {
        const Charge& charge = charges_[i];
        const bool old = i + kNewest < charges_.size();
        if (old && !merged.empty() &&
            merged.back().stamp.time_since_epoch() / cell ==
                charge.stamp.time_since_epoch() / cell) {
            merged.back().amount += charge.amount;
            merged.back().stamp = charge.stamp;
            merged.back().number = charge.number;
        } else {
            merged.push_back(charge);
        }
    }
    charges_ = std::move(merged);
}

void Usage::correct(std::uint64_t number, double less) {
    if (terms_.reset == Reset::lifetime) {
        used_ = std::max(0.0, used_ - less);
        return;
    }
    const auto found = std::find_if(charges_.rbegin(), charges_.rend(),
                                    [&](const Charge& charge) { return charge.number == number; });
    if (found == charges_.rend()) return;
    const double taken = std::min(less, found->amount);
    found->amount -= taken;
    if (refills()) return replay();
    used_ = std::max(0.0, used_ - taken);
    if (rolls()) return;
    if (window_ && found->stamp >= window_->earliest) window_->of_next -= taken;
    const bool nothing = found->amount <= 0;
    charges_.erase(std::prev(found.base()));
    if (nothing && window_) reopen(number);
}

/// The call that opened the window turns out not to have counted: another did, later.
void Usage::reopen(std::uint64_t number) {
    if (used_ <= kDust && charges_.empty())
        window_.reset();
    else if (window_->opener == number)
        window_->latest = std::max(window_->latest, last_stamp_ + terms_.span);
}

void Usage::move_to(double used, base::Now now) {
    used = std::max(0.0, used);
    const double more = used - used_;
    if (more > 0) {
        const Charge learned{0, more, at_, at_ - terms_.span};
        charge(learned, now);
        return;
    }
    used_ = used;
    if (rolls()) {
        double less = -more;
        while (less > 0 && !charges_.empty()) {
            const double taken = std::min(less, charges_.front().amount);
            less -= taken;
            charges_.front().amount -= taken;
            if (charges_.front().amount <= 0) charges_.pop_front();
        }
        for (Charge& charge : charges_) charge.number = 0;
        return;
    }
    charges_.clear();
    level_before_ = used;
    level_at_ = at_;
    if (window_) window_->of_next = std::min(window_->of_next, used);
}

void Usage::end_in(base::Duration rest, base::Now now) {
    rest = std::max<base::Duration>(rest, 1s);
    if (period_) period_->end = now.wall + rest;
    if (!window_) return;
    window_.emplace();
    window_->earliest = window_->latest = at_ + rest;
}

std::optional<Usage::Span> Usage::gone_in(double excess, double held, base::Now now) const {
    if (refills()) return times(terms_.span, excess / *terms_.limit);
    if (rolls()) {
        for (const Charge& charge : charges_) {
            excess -= charge.amount;
            if (excess <= kDust) return charge.stamp + terms_.span - at_;
        }
        return excess <= held + kDust ? std::optional<Span>(terms_.span) : std::nullopt;
    }
    if (period_) return period_->end - now.wall;
    if (terms_.reset != Reset::first_use) return std::nullopt;
    if (!window_) return terms_.span;
    const bool may_be_next = at_ >= window_->earliest;
    if (excess <= used_ - window_->of_next + (may_be_next ? 0 : held) + kDust)
        return window_->latest - at_;
    return window_->next.value_or(at_) + terms_.span - at_;
}

}  // namespace quota
