#include "route/benches.h"

#include "route/consequences.h"

#include <algorithm>
#include <array>

namespace route {
namespace {

using namespace std::chrono_literals;
using llm::Outcome;
using llm::Scope;

/// A probe that never reports back stops counting after this.
constexpr base::Duration kProbeTime{10'000};
/// A guess about our own hardware, unless something lacks there: it is back sooner than any cloud.
constexpr base::Duration kLocalMost{5'000};
/// A shorter bench is over before a restart is.
constexpr base::Duration kWorthKeeping{60'000};
/// An ended bench is kept this long for its strikes.
constexpr base::Duration kMemory{120'000};

std::string pool_key(const config::Target& target, std::string_view pool) {
    return "pool:" + std::string(pool) + '@' + target.account;
}

bool is_free(const config::Target& target) {
    return target.provider == base::Provider::openrouter && target.model.ends_with(":free");
}

std::string key_of(const config::Target& target, const llm::Failure& failure) {
    switch (failure.scope) {
        case Scope::pool:
            // Credit that even a free model is refused for is below zero: nothing serves then.
            if (failure.pool == llm::kOpenRouterPaid && is_free(target)) break;
            return pool_key(target, failure.pool);
        case Scope::account: break;
        case Scope::target:
        case Scope::request: return "target:" + target.id;
    }
    return "account:" + target.account;
}

/// The keys under which a bench may stand in the way of `target`.
std::vector<std::string> keys_of(const config::Target& target) {
    std::vector<std::string> keys{"target:" + target.id, "account:" + target.account};
    for (const config::Limit& limit : target.limits)
        if (!limit.pool.empty()) keys.push_back(pool_key(target, limit.pool));
    if (target.provider == base::Provider::openrouter)
        keys.push_back(
            pool_key(target, is_free(target) ? llm::kOpenRouterFree : llm::kOpenRouterPaid));
    return keys;
}

base::Duration guess(const config::Target& target, const llm::Failure& failure, int strikes) {
    const Consequence& row = consequence(failure.outcome);
    base::Duration most = row.bench_most;
    if (failure.window == llm::Window::minute) most = std::min<base::Duration>(most, 60s);
    if (target.tier == config::Tier::local && failure.outcome != Outcome::gone)
        most = std::min(most, kLocalMost);
    const base::Duration doubled = row.bench * (1 << std::min(strikes, 10));
    return std::min(doubled, most);
}

/// It said how long, or how much is used up: no count of failures outweighs that.
bool provider_spoke(const llm::Failure& failure) {
    return (failure.back_in && *failure.back_in > base::Duration(0)) ||
           failure.window != llm::Window::none || failure.outcome == Outcome::exhausted;
}

}  // namespace

std::string_view name(Source source) {
    switch (source) {
        case Source::guessed: return "guessed";
        case Source::configured: return "configured";
        case Source::stated: return "stated";
    }
    return "guessed";
}

std::optional<Bench> Benches::failed(const config::Target& target, const llm::Failure& failure,
                                     const BenchTerms& terms, base::Time now) {
    if (failure.scope == Scope::request || consequence(failure.outcome).bench == base::Duration(0))
        return std::nullopt;
    Entry entry;
    entry.bench.key = key_of(target, failure);
    const std::lock_guard lock(mutex_);
    const auto known = entries_.find(entry.bench.key);
    const bool recent = known != entries_.end() && known->second.bench.until + kMemory > now;
    const int strikes = recent ? known->second.bench.strikes : 0;
    entry.bench.cause = failure.outcome;
    entry.bench.window = failure.window;
    entry.bench.detail = failure.detail;
    entry.bench.strikes = strikes + 1;

    base::Duration length{0};
    if (failure.back_in && *failure.back_in > base::Duration(0)) {
        length = *failure.back_in;
        entry.bench.source = Source::stated;
    } else if (!terms.cooldown) {
        length = guess(target, failure, std::max(0, strikes - terms.allowed_fails));
    }
    if (terms.cooldown && *terms.cooldown > length) {
        length = *terms.cooldown;
        entry.bench.source = Source::configured;
    }
    if (length == base::Duration(0)) return std::nullopt;
    if (entry.bench.strikes <= terms.allowed_fails && !provider_spoke(failure))
        return hold_back(std::move(entry), now);
    entry.bench.until = now + length;
    if (known != entries_.end() && known->second.bench.until >= entry.bench.until) {
        known->second.bench.strikes = entry.bench.strikes;
        known->second.probe_until = {};
        return known->second.bench;
    }
    Bench result = entry.bench;
    store(std::move(entry), now);
    return result;
}

/// Counts a failure that is allowed; a bench in force stays as it is.
std::optional<Bench> Benches::hold_back(Entry entry, base::Time now) {
    const auto known = entries_.find(entry.bench.key);
    if (known != entries_.end() && known->second.bench.until > now) {
        known->second.bench.strikes = entry.bench.strikes;
        return known->second.bench;
    }
    entry.bench.until = now;
    entry.began = false;
    store(std::move(entry), now);
    return std::nullopt;
}

void Benches::store(Entry entry, base::Time now) {
    if (entries_.size() >= kMost)
        std::erase_if(entries_, [&](const auto& e) { return e.second.bench.until <= now; });
    if (entries_.size() >= kMost)
        entries_.erase(
            std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
                return a.second.bench.until < b.second.bench.until;
            }));
    std::string key = entry.bench.key;
    entries_.insert_or_assign(std::move(key), std::move(entry));
    any_ = true;
}

void Benches::served(const config::Target& target, base::Time now) {
    if (!any_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    for (const std::string& key : keys_of(target))
        if (const auto found = entries_.find(key);
            found != entries_.end() && found->second.bench.until <= now)
            entries_.erase(found);
    std::erase_if(entries_, [&](const auto& e) { return e.second.bench.until + kMemory <= now; });
    any_ = !entries_.empty();
}

std::optional<Bench> Benches::find(const config::Target& target, base::Time now) const {
    if (!any_.load(std::memory_order_relaxed)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    std::optional<Bench> last;
    for (const std::string& key : keys_of(target)) {
        const auto found = entries_.find(key);
        if (found == entries_.end() || found->second.bench.until <= now) continue;
        if (!last || last->until < found->second.bench.until) last = found->second.bench;
    }
    return last;
}

std::optional<Bench> Benches::admit(const config::Target& target, base::Time now, bool& probing) {
    probing = false;
    if (!any_.load(std::memory_order_relaxed)) return std::nullopt;
    if (auto bench = find(target, now)) return bench;
    const std::lock_guard lock(mutex_);
    std::vector<Entry*> to_probe;
    for (const std::string& key : keys_of(target)) {
        const auto found = entries_.find(key);
        if (found == entries_.end() || !found->second.began ||
            found->second.bench.source == Source::stated)
            continue;
        if (found->second.probe_until > now) {
            Bench bench = found->second.bench;
            bench.until = found->second.probe_until;
            bench.detail = "one attempt is probing whether it is back";
            return bench;
        }
        to_probe.push_back(&found->second);
    }
    for (Entry* entry : to_probe) entry->probe_until = now + kProbeTime;
    probing = !to_probe.empty();
    return std::nullopt;
}

void Benches::release_probe(const config::Target& target) {
    const std::lock_guard lock(mutex_);
    for (const std::string& key : keys_of(target))
        if (const auto found = entries_.find(key); found != entries_.end())
            found->second.probe_until = {};
}

std::vector<Bench> Benches::list(base::Time now) const {
    std::vector<Bench> result;
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : entries_)
        if (entry.bench.until > now) result.push_back(entry.bench);
    return result;
}

std::vector<Bench> Benches::lasting(base::Time now) const {
    std::vector<Bench> result = list(now);
    std::erase_if(result, [now](const Bench& bench) {
        const bool about_us = bench.cause == Outcome::exhausted ||
                              bench.cause == Outcome::unauthorized || bench.cause == Outcome::gone;
        return bench.until - now < kWorthKeeping || !(about_us || bench.source == Source::stated);
    });
    return result;
}

void Benches::restore(const std::vector<Bench>& benches, base::Time now) {
    const std::lock_guard lock(mutex_);
    for (const Bench& bench : benches)
        if (bench.until > now) store({bench, {}}, now);
}

bool Benches::clear(const config::Target& target) {
    const std::lock_guard lock(mutex_);
    std::size_t cleared = 0;
    for (const std::string& key : keys_of(target)) cleared += entries_.erase(key);
    any_ = !entries_.empty();
    return cleared > 0;
}

void Benches::clear_all() {
    const std::lock_guard lock(mutex_);
    entries_.clear();
    any_ = false;
}

}  // namespace route
