#include "quota/bucket.h"

#include <algorithm>

namespace quota {

void Bucket::learn_limit(const Reading& reading, base::Now now) {
    double stated = *reading.limit;
    if (reading.source == Source::refusal) stated = std::min(stated, limit().value_or(stated));
    learned_ = stated;
    const bool governs = !rule_.limit || rule_.advisory || stated <= *rule_.limit;
    limit_source_ = governs ? reading.source : Source::configured;
    limit_at_ = governs ? now.wall : base::WallTime{};
    usage_.change(terms(), now);
}

/// Their figure holds all that was charged before the call, and may or may not hold what was
/// charged `since` and what is held now: ours, without what is held, lies between.
void Bucket::learn_used(double theirs, double since, base::Now now) {
    const double ours = usage_.used();
    const double moved = std::clamp(ours, std::max(0.0, theirs - held()), theirs + since);
    if (moved == ours) return;
    if (moved > ours) mark_more(moved - ours, now);
    usage_.move_to(moved, now);
}

void Bucket::learn(const Reading& reading, const Hold* call, base::Now now) {
    if (call) charge(*call, now);
    now = advance(now);
    if (reading.limit && *reading.limit >= 0) learn_limit(reading, now);
    const auto stated = reading.limit ? reading.limit : limit();
    std::optional<double> theirs = reading.used;
    if (!theirs && reading.remaining && stated) theirs = *stated - *reading.remaining;
    if (theirs && reading.reset_in && stated && rule_.reset == Reset::token_bucket) {
        // Full again in reset_in: no more than that is used, but for the figure's rounding.
        const double refill = *stated / static_cast<double>(rule_.span.count());
        theirs = std::min(*theirs, refill * static_cast<double>(reading.reset_in->count()) + 1);
    }
    if (theirs && rule_.metric != Metric::concurrency) {
        const double since =
            call ? std::max(0.0, mark_->charged - call->charged_before - call->amount) : 0.0;
        learn_used(std::max(0.0, *theirs), since, now);
        said_by(reading.source, now);
    }
    if (reading.reset_in) usage_.end_in(*reading.reset_in, now);
}

void Bucket::forget_refusals(base::Now now) {
    now = advance(now);
    closed_until_.reset();
    if (limit_source_ != Source::refusal && limit_source_ != Source::discovered) return;
    learned_.reset();
    limit_source_ = Source::configured;
    usage_.change(terms(), now);
}

}  // namespace quota
