#include "quota/tab.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace quota {
namespace {

using namespace std::chrono_literals;

/// Fractions of a unit that arithmetic may lose.
constexpr double kDust = 1e-6;
/// A ceiling that we found by being refused is tried a little higher after this long; one of
/// nothing at all (no allowance for a model) after a day.
constexpr base::Duration kTrust{6 * 3'600'000};
constexpr base::Duration kTrustNothing{24 * 3'600'000};
constexpr double kHigher = 1.2;
/// What a shared ledger has not handed out by now is worth asking for again after this long.
constexpr base::Duration kHandedOut{1'000};

/// Old findings are not for ever: the provider may allow more by now.
void doubt(Slot& slot, base::Now now) {
    const auto limit = slot.bucket.limit();
    if (!limit) return;
    const auto age = now.wall - slot.bucket.limit_at();
    const Source source = slot.bucket.limit_source();
    const bool found = source == Source::discovered && age > kTrust;
    const bool nothing = source == Source::header && *limit == 0 && age > kTrustNothing;
    if (found || nothing)
        slot.bucket.learn({.limit = std::max(1.0, std::ceil(*limit * kHigher)), .source = source},
                          nullptr, now);
}

/// What keeps `work` from this bucket; nullopt: nothing.
std::optional<Shortage> lack(const Tab& tab, Slot& slot, const Work& work, base::Now now) {
    Bucket& bucket = slot.bucket;
    if (!bucket.blocks()) return std::nullopt;
    const Rule& rule = bucket.rule();
    const double limit = bucket.limit().value_or(0);
    const double least = tab.least(rule.metric, work);
    const bool never = limit > 0 && least > limit && bucket.limit_source() != Source::header;
    const double need = never ? least : std::min(tab.need(bucket, work), limit);
    const double left = bucket.available(now);
    const bool enough = need > 0 || rule.metric != Metric::utilization
                            ? left + kDust >= need && !never && limit > 0
                            : left > kDust;
    const bool granted = !bucket.shared() || bucket.granted(now) + kDust >= need;
    if (enough && granted) return std::nullopt;
    Shortage shortage{bucket.key(), rule.metric,  rule.window, limit, bucket.used(now),
                      need,         std::nullopt, never,       enough};
    if (enough)
        shortage.back_in = kHandedOut;
    else if (!shortage.fits_never && limit > 0)
        shortage.back_in = bucket.earliest(std::max(need, kDust), now);
    return shortage;
}

/// Whether `a` keeps a request back longer than `b`.
bool worse(const Shortage& a, const Shortage& b) {
    if (a.fits_never != b.fits_never) return a.fits_never;
    if (!a.back_in || !b.back_in) return b.back_in.has_value();
    return *a.back_in > *b.back_in;
}

std::optional<Shortage> worst(Tab& tab, const Work& work, base::Now now) {
    std::optional<Shortage> found;
    for (Slot* slot : tab.slots) {
        doubt(*slot, now);
        auto one = lack(tab, *slot, work, now);
        if (one && (!found || worse(*one, *found))) found = std::move(one);
    }
    return found;
}

std::string grouped(double value, Metric metric) {
    if (metric == Metric::usd) return fmt::format("{:.4f} USD", value);
    if (metric == Metric::utilization) return fmt::format("{:.0f} %", value * 100);
    std::string digits = fmt::format("{:.0f}", std::abs(value));
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return (value < -0.5 ? "-" : "") + digits;
}

}  // namespace

std::string Shortage::text() const {
    std::string out =
        fmt::format("{}{}{} {}; {} used", base::name(metric), window.empty() ? "" : "/", window,
                    grouped(ceiling, metric), grouped(used, metric));
    if (metric != Metric::utilization) out += fmt::format("; {} needed", grouped(needed, metric));
    if (fits_never) return out + "; never fits";
    if (ungranted) return out + "; not yet handed out by the shared ledger";
    return out + (back_in ? "; back in " + base::human(*back_in) : "; does not come back");
}

llm::Outcome Shortage::cause() const {
    if (fits_never) return llm::Outcome::too_large;
    if (metric == Metric::concurrency) return llm::Outcome::rate_limited;
    return span_of(window) > 0ms && span_of(window) <= 60s ? llm::Outcome::rate_limited
                                                           : llm::Outcome::exhausted;
}

Tab* Book::tab(const config::Target& target) const {
    const auto* first = catalog_->targets.data();
    return tabs_[static_cast<std::size_t>(&target - first)];
}

std::optional<Shortage> Book::shortage(const config::Target& target, const Work& work,
                                       base::Now now) const {
    Tab& found = *tab(target);
    if (found.bare.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(found.shard.mutex);
    auto lacking = worst(found, work, now);
    if (lacking && lacking->ungranted) return std::nullopt;
    return lacking;
}

std::expected<Reservation, Shortage> Book::reserve(const config::Target& target, const Work& work,
                                                   base::Now now) const {
    Reservation reservation;
    Tab& found = *tab(target);
    if (found.bare.load(std::memory_order_acquire)) return reservation;
    const std::lock_guard lock(found.shard.mutex);
    if (auto lacking = worst(found, work, now)) return std::unexpected(std::move(*lacking));
    reservation.tab_ = &found;
    reservation.prompt_bytes_ = work.prompt_bytes;
    reservation.calls_ = work.calls;
    reservation.parts_.reserve(found.slots.size() * work.calls);
    for (std::uint64_t call = 1; call <= work.calls; ++call)
        for (Slot* slot : found.slots) {
            Bucket& bucket = slot->bucket;
            const double limit = bucket.limit().value_or(std::numeric_limits<double>::infinity());
            const double need = found.need(bucket, work);
            double share =
                (bucket.blocks() ? std::min(need, limit) : need) / static_cast<double>(work.calls);
            // One call at a time is under way: the last one gives its slot back.
            if (bucket.rule().metric == Metric::concurrency) share = call == work.calls ? need : 0;
            reservation.parts_.push_back({slot, bucket.hold(share, now)});
            slot->dirty = true;
        }
    return reservation;
}

std::optional<double> Book::plenty(const config::Target& target, const Work& work,
                                   base::Now now) const {
    Tab& found = *tab(target);
    if (found.bare.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(found.shard.mutex);
    std::optional<double> least;
    for (Slot* slot : found.slots) {
        Bucket& bucket = slot->bucket;
        const Rule& rule = bucket.rule();
        const double need = found.need(bucket, work);
        if (!bucket.limit() || need <= 0 || rule.metric == Metric::concurrency) continue;
        constexpr base::Duration kYear{365LL * 24 * 3'600'000};
        const bool flows = rule.reset == Reset::token_bucket || rule.reset == Reset::rolling;
        base::Duration wait = flows ? rule.span : bucket.whole_in(now).value_or(kYear);
        if (wait == base::Duration(0)) wait = std::max(rule.span, base::Duration(1));
        const double hours = std::chrono::duration<double, std::ratio<3600>>(wait).count();
        const double rate = std::max(0.0, bucket.available(now)) / need / hours;
        if (!least || rate < *least) least = rate;
    }
    return least;
}

bool Book::limited(std::span<const config::Target* const> targets) const {
    return std::ranges::any_of(targets, [this](const config::Target* target) {
        return !tab(*target)->bare.load(std::memory_order_acquire);
    });
}

Allowance Book::allowance(std::span<const config::Target* const> targets, base::Now now) const {
    Allowance all;
    std::set<const Slot*> seen;
    const auto add = [&](Tab& found, Allowance::Side& side, bool requests) {
        Slot* tightest = nullptr;
        for (Slot* slot : found.slots) {
            const Metric metric = slot->bucket.rule().metric;
            const bool of_side = requests
                                     ? metric == Metric::requests
                                     : metric == Metric::tokens || metric == Metric::input_tokens;
            if (!of_side || !slot->bucket.blocks()) continue;
            if (!tightest || slot->bucket.available(now) < tightest->bucket.available(now))
                tightest = slot;
        }
        if (!tightest || !seen.insert(tightest).second) return;
        side.limit += *tightest->bucket.limit();
        side.remaining += std::max(0.0, std::floor(tightest->bucket.available(now) + kDust));
        const base::Duration whole = tightest->bucket.whole_in(now).value_or(base::Duration(0));
        if (!side.known || whole > side.reset_in) side.reset_in = whole;
        side.known = true;
    };
    for (const config::Target* target : targets) {
        Tab& found = *tab(*target);
        if (found.bare.load(std::memory_order_acquire)) continue;
        const std::lock_guard lock(found.shard.mutex);
        add(found, all.requests, true);
        add(found, all.tokens, false);
    }
    return all;
}

}  // namespace quota
