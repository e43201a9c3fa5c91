#include "quota/bucket.h"

#include <algorithm>

namespace quota {
namespace {

using namespace std::chrono_literals;

std::int64_t to_ms(base::WallTime at) {
    return std::chrono::ceil<base::Duration>(at.time_since_epoch()).count();
}

base::WallTime wall_of(std::int64_t ms) { return base::WallTime(base::Duration(ms)); }

std::int64_t to_ms(base::Time at, base::Now now) { return to_ms(now.wall + (at - now.steady)); }

/// Never after now: a clock that was set back makes nothing young.
base::Time steady_of(std::int64_t ms, base::Now now) {
    return now.steady - std::max<base::WallTime::duration>(now.wall - wall_of(ms), 0ns);
}

}  // namespace

std::int64_t Usage::until_ms(base::Now now) const {
    if (refills()) return to_ms(at_ + gone_in(used_, 0, now).value_or(Span(0)), now);
    if (period_) return to_ms(period_->end);
    if (!window_) return 0;
    return to_ms(opener_may_not_count() ? last_stamp_ + terms_.span : window_->latest, now);
}

/// Then another call opened the window, later; the mark doesn't tell of that.
bool Usage::opener_may_not_count() const {
    return window_->opener != 0 &&
           std::ranges::find(charges_, window_->opener, &Charge::number) != charges_.end();
}

Usage::Entries Usage::entries(base::Now now) const {
    Entries list;
    if (window_) list.emplace_back(to_ms(window_->earliest, now), window_->of_next);
    if (window_ && (window_->opens_by || opener_may_not_count()))
        list.emplace_back(to_ms(window_->opens_by.value_or(at_), now), 0);
    if (!rolls()) return list;
    list.reserve(charges_.size());
    for (const Charge& charge : charges_)
        list.emplace_back(to_ms(charge.stamp, now), charge.amount);
    return list;
}

void Usage::resume(std::int64_t until_ms, double used, const Entries& entries, base::Now now) {
    advance(now);
    if (rolls()) {
        for (const auto& [ms, amount] : entries) {
            const base::Time stamp = steady_of(ms, now);
            if (stamp + terms_.span <= now.steady) continue;
            used_ += amount;
            charges_.push_back({0, amount, stamp, stamp});
        }
        std::ranges::sort(charges_, {}, &Charge::stamp);
        return;
    }
    if (terms_.reset == Reset::first_use) return resume_window(until_ms, used, entries, now);
    const base::WallTime until = wall_of(until_ms);
    if (terms_.reset != Reset::lifetime && until <= now.wall) return;
    const auto rest = std::min<Span>(until - now.wall, terms_.span);
    if (refills())
        used = std::min(used, *terms_.limit * std::chrono::duration<double>(rest).count() /
                                  std::chrono::duration<double>(terms_.span).count());
    const auto longest = terms_.span + 2h;
    if (period_ && until - now.wall <= longest) period_->end = until;
    used_ = level_before_ = std::max(0.0, used);
    level_at_ = at_;
}

void Usage::resume_window(std::int64_t until_ms, double used, const Entries& entries,
                          base::Now now) {
    if (until_ms == 0) return;
    window_.emplace();
    const auto steady = [&](std::int64_t ms) {
        return now.steady + std::min<Span>(wall_of(ms) - now.wall, terms_.span);
    };
    window_->latest = window_->earliest = steady(until_ms);
    if (!entries.empty()) {
        window_->earliest = steady(entries[0].first);
        window_->of_next = entries[0].second;
        if (window_->of_next > 0) window_->next = std::min(window_->latest, at_);
    }
    if (entries.size() > 1) window_->opens_by = steady(entries[1].first);
    used_ = used;
    advance(now);
}

Saved Bucket::save(base::Now now) const {
    now.steady = std::max(now.steady, latest_);
    Saved saved;
    saved.key = key_;
    saved.reset = rule_.reset;
    saved.charged = mark_->charged;
    saved.used = usage_.used();
    saved.until_ms = usage_.until_ms(now);
    saved.entries = usage_.entries(now);
    if (closed_until_) saved.closed_until_ms = to_ms(*closed_until_, now);
    saved.learned_limit = learned_;
    saved.limit_source = limit_source_;
    saved.limit_at_ms = to_ms(limit_at_);
    return saved;
}

void Bucket::restore(const Saved& saved, const Mark* mark, base::Now now) {
    learned_ = saved.learned_limit;
    limit_source_ = saved.limit_source;
    limit_at_ = wall_of(saved.limit_at_ms);
    usage_ = Usage(terms());
    said_by(Source::restored, now);
    mark_->charged = std::max(saved.charged, mark ? mark->charged : 0.0);
    mark_->last_charge = mark ? mark->last_charge : 0;
    if (rule_.metric == Metric::concurrency) return;

    const double unsaved = mark ? std::max(0.0, mark->charged - saved.charged) : 0;
    base::Now then = now;
    if (unsaved > 0) {
        then.steady = steady_of(mark->last_charge, now);
        then.wall = now.wall - (now.steady - then.steady);
    }
    usage_.advance(then);
    const bool same = saved.reset == rule_.reset;
    if (same) usage_.resume(saved.until_ms, saved.used, saved.entries, then);
    if (unsaved > 0) usage_.charge({0, unsaved, then.steady, then.steady - kUnsaved}, then);
    if (wall_of(saved.closed_until_ms) > now.wall)
        closed_until_ = now.steady + (wall_of(saved.closed_until_ms) - now.wall);
    now = advance(now);
    const bool remains =
        saved.reset == Reset::lifetime || saved.until_ms == 0 || wall_of(saved.until_ms) > now.wall;
    if (!same && remains) usage_.move_to(usage_.used() + saved.used, now);
    if (mark && mark->held > 0) hold(mark->held, now);
}

}  // namespace quota
