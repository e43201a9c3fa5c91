#include "quota/tab.h"

#include <algorithm>
#include <cmath>

namespace quota {
namespace {

using namespace std::chrono_literals;

/// How far a provider's stated return may lie before ours and still be the same.
constexpr base::Duration kSlack{250};

/// The bucket that a provider's figure is about, made where it is new; nullptr: unclear.
Slot* slot_for(Tab& tab, const llm::Rate& rate, base::Now now) {
    if (Slot* known = tab.find(rate.metric, rate.window, rate.pool)) {
        // Without a window, another ceiling than ours speaks of another limit than ours.
        const auto ours = known->bucket.limit();
        const bool same = !rate.window.empty() || !rate.limit || !ours || !known->stated ||
                          std::abs(*rate.limit - *ours) <= *ours / 100;
        return same ? known : nullptr;
    }
    const bool unclear =
        rate.window.empty() && std::ranges::any_of(tab.slots, [&](const Slot* slot) {
            return slot->bucket.rule().metric == rate.metric;
        });
    const bool many = tab.target->model.find('*') != std::string::npos;
    if (unclear || (many && rate.pool.empty())) return nullptr;  // a wildcard is many models
    const std::string scope = !rate.pool.empty()                   ? "pool"
                              : rate.metric == Metric::utilization ? "account"
                                                                   : "model";
    Rule rule = learned_rule(tab.target->provider, rate.metric,
                             rate.window.empty() ? "minute" : rate.window);
    return tab.place(scope, scope_name(*tab.target, scope, rate.pool), std::move(rule), now);
}

Reading reading_of(const llm::Rate& rate, Source source) {
    return {rate.limit, rate.remaining, rate.used, rate.reset_in, source};
}

/// A refusal that names nothing narrows what is unknown: as many as went well at some time are
/// allowed, as many as there were now are not. Only one of requests and tokens can be blamed:
/// the first whose count has never been as high.
void narrow(Tab& tab, base::Now now) {
    for (const Metric metric : {Metric::requests, Metric::tokens}) {
        Slot* slot = slot_for(tab, {.metric = metric, .window = "minute"}, now);
        if (!slot || slot->scope == "account" || slot->scope == "pool") continue;
        const Source source = slot->bucket.limit_source();
        const bool fixed = slot->bucket.blocks() && source != Source::discovered;
        const double bad = std::floor(slot->bucket.charged_used(now));
        if (fixed || bad < slot->good || bad < 1) continue;
        slot->bucket.learn({.limit = bad, .source = Source::discovered}, nullptr, now);
        slot->dirty = true;
        return;
    }
}

base::Duration rest_of(const std::string& window, base::Now now) {
    if (window == "month") {
        const auto month = month_around(now.wall, "UTC");
        return std::chrono::ceil<base::Duration>(month.end - now.wall);
    }
    return std::min<base::Duration>(span_of(window), 60s);
}

/// Nothing is left until the stated return; what our own arithmetic makes of the figures does not
/// outlast that.
void shut(Bucket& bucket, const llm::Rate& rate, std::optional<base::Duration> back_in,
          base::Now now) {
    const bool counted = rate.limit && (rate.used || rate.remaining);
    if (!back_in && counted) return;
    const base::Duration until = back_in.value_or(rest_of(bucket.rule().window, now));
    const double asked = rate.requested.value_or(1);
    const auto ours = bucket.earliest(asked, now);
    if (back_in && bucket.limit() && (!ours || *ours > until + kSlack)) {
        const Rule& rule = bucket.rule();
        const double refilled = rule.reset == Reset::token_bucket
                                    ? *bucket.limit() * static_cast<double>(until.count()) /
                                          static_cast<double>(rule.span.count())
                                    : 0;
        bucket.set_used(std::clamp(*bucket.limit() - asked + refilled, 0.0, *bucket.limit()), now);
    }
    bucket.close(until, Source::refusal, now);
}

}  // namespace

void Book::learn(const config::Target& target, std::span<const llm::Rate> rates, Reservation* own,
                 base::Now now) const {
    if (rates.empty()) return;
    Tab& found = *tab(target);
    const std::lock_guard lock(found.shard.mutex);
    for (const llm::Rate& rate : rates) {
        Slot* slot = slot_for(found, rate, now);
        if (!slot) continue;
        Reading reading = reading_of(rate, Source::header);
        const bool refills = slot->bucket.rule().reset == Reset::token_bucket;
        if (refills && !rate.window.empty()) reading.reset_in.reset();
        Reservation::Part* part = own ? own->part_in(*slot) : nullptr;
        slot->bucket.learn(reading, part ? &part->hold : nullptr, now);
        if (part && (reading.remaining || reading.used)) part->told = true;
        slot->dirty = true;
    }
}

void Book::refused(const config::Target& target, const llm::Failure& failure, base::Now now) const {
    const bool quota =
        failure.outcome == llm::Outcome::rate_limited || failure.outcome == llm::Outcome::exhausted;
    if (!quota && failure.outcome != llm::Outcome::too_large) return;
    Tab& found = *tab(target);
    const std::lock_guard lock(found.shard.mutex);
    if (!failure.rate) {
        const bool minute =
            failure.window == llm::Window::none || failure.window == llm::Window::minute;
        if (failure.outcome == llm::Outcome::rate_limited && minute && failure.status == 429)
            narrow(found, now);
        return;
    }
    const llm::Rate& rate = *failure.rate;
    Slot* slot = slot_for(found, rate, now);
    if (!slot) return;
    slot->dirty = true;
    const double before = slot->bucket.charged_used(now);
    slot->bucket.learn(reading_of(rate, Source::refusal), nullptr, now);
    if (quota && rate.refused) shut(slot->bucket, rate, failure.back_in, now);
    slot->taught += std::max(0.0, slot->bucket.charged_used(now) - before);
}

}  // namespace quota
