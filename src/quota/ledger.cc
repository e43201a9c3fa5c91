#include "quota/tab.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace quota {

struct Ledger::State {
    static constexpr std::size_t kProviders =
        static_cast<std::size_t>(base::Provider::openai_compatible) + 1;
    std::array<Shard, kProviders> shards;
    Memory memory;
    std::mutex mutex;  ///< of `tabs`; taken before any shard's
    std::map<std::string, std::unique_ptr<Tab>> tabs;

    std::uint64_t openings = 0;

    /// Limits that configuration no longer states are as if only the provider had spoken of them.
    void forget_unstated(std::uint64_t opening, base::Now now) {
        for (std::size_t i = 0; i < shards.size(); ++i) {
            const std::lock_guard lock(shards[i].mutex);
            for (const auto& [key, slot] : shards[i].slots) {
                if (!slot->stated || slot->opening == opening) continue;
                const Rule& rule = slot->bucket.rule();
                slot->stated = false;
                slot->bucket.replace(
                    learned_rule(static_cast<base::Provider>(i), rule.metric, rule.window), now);
            }
        }
    }

    Shard& shard(base::Provider provider) { return shards[static_cast<std::size_t>(provider)]; }
};

namespace {

/// Spread over this time a burst is forecast as a rate.
constexpr base::Duration kFarOff{366LL * 24 * 3'600'000};

std::optional<std::uint64_t> max_tokens_of(const config::Target& target) {
    for (const auto* list : {&target.overrides, &target.defaults})
        for (const auto& [name, json] : *list) {
            std::uint64_t value = 0;
            const auto [end, error] =
                std::from_chars(json.data(), json.data() + json.size(), value);
            const bool whole = error == std::errc() && end == json.data() + json.size();
            if (whole && (name == "max_tokens" || name == "max_completion_tokens")) return value;
        }
    return std::nullopt;
}

/// Puts the limits that configuration states into the tab; learned ones stay behind them. Of one
/// that is stated twice the smaller holds.
void state_limits(Tab& tab, std::uint64_t opening, base::Now now) {
    std::vector<Slot*> learned;
    for (Slot* slot : tab.slots)
        if (!slot->stated) learned.push_back(slot);
    tab.slots.clear();
    for (const config::Limit& limit : tab.target->limits) {
        Rule rule = rule_of(limit);
        const std::string name = scope_name(*tab.target, limit.scope, limit.pool);
        Slot* slot = tab.place(limit.scope, name, rule, now);
        if (!slot) continue;
        const std::optional<double> before = slot->bucket.rule().limit;
        const bool again = std::exchange(slot->opening, opening) == opening;
        const bool looser = again && before && (!rule.limit || *rule.limit >= *before);
        slot->stated = true;
        if (!looser) slot->bucket.replace(std::move(rule), now);
        std::erase(learned, slot);
    }
    for (Slot* slot : learned) tab.slots.push_back(slot);
    tab.bare.store(tab.slots.empty(), std::memory_order_release);
}

/// Buckets of an earlier run that only the provider ever spoke of.
void recall_learned(Tab& tab, base::Now now) {
    std::vector<std::pair<std::string, std::string>> found;  // scope, rest of the key
    {
        const std::lock_guard lock(tab.memory.mutex);
        for (const char* scope : {"target", "model", "account"}) {
            const std::string prefix =
                std::string(scope) + ':' + scope_name(*tab.target, scope, {}) + ' ';
            for (auto at = tab.memory.saved.lower_bound(prefix);
                 at != tab.memory.saved.end() && at->first.starts_with(prefix); ++at)
                if (at->second.learned_limit)
                    found.emplace_back(scope, at->first.substr(prefix.size()));
        }
    }
    for (const auto& [scope, label] : found) {
        const std::size_t slash = label.find('/');
        const auto metric =
            slash == std::string::npos ? std::nullopt : base::metric_named(label.substr(0, slash));
        if (!metric || span_of(label.substr(slash + 1)) == base::Duration(0)) continue;
        tab.place(scope, scope_name(*tab.target, scope, {}),
                  learned_rule(tab.target->provider, *metric, label.substr(slash + 1)), now);
    }
}

Line line_of(Slot& slot, base::Now now) {
    Bucket& bucket = slot.bucket;
    Line line{.key = bucket.key(), .scope = slot.scope, .name = slot.name, .rule = bucket.rule()};
    line.limit = bucket.limit();
    line.used = bucket.used(now);
    line.held = bucket.held();
    if (line.limit) line.remaining = std::max(0.0, bucket.available(now));
    line.whole_in = bucket.whole_in(now);
    line.back_in = bucket.earliest(
        bucket.rule().metric == Metric::utilization ? 0.01 : std::min(1.0, line.limit.value_or(1)),
        now);
    line.source = bucket.source();
    line.source_at = bucket.source_at();
    line.limit_source = bucket.limit_source();
    line.limit_at = bucket.limit_at();
    line.blocks = bucket.blocks();
    line.rate = bucket.rate(now);
    if (!line.remaining || line.rate <= 0) return line;
    const bool refills = line.rule.reset == Reset::token_bucket && line.rule.span.count() > 0;
    const double refill =
        refills ? *line.limit * 1000 / static_cast<double>(line.rule.span.count()) : 0;
    const double drain = line.rate - refill;
    if (drain <= 0) return line;
    const double ms = std::max(0.0, *line.remaining) / drain * 1000;
    const base::Duration end(
        static_cast<base::Duration::rep>(std::min(ms, static_cast<double>(kFarOff.count()))));
    const bool before_return = refills || line.rule.reset == Reset::rolling
                                   ? end < line.rule.span
                                   : !line.whole_in || end < *line.whole_in;
    if (before_return && end < kFarOff) line.runs_out_in = end;
    return line;
}

}  // namespace

Ledger::Ledger() : state_(std::make_unique<State>()) {}
Ledger::~Ledger() = default;

std::shared_ptr<const Book> Ledger::open(config::Snapshot catalog, base::Now now) {
    auto book = std::make_shared<Book>();
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t opening = ++state_->openings;
    for (auto& [name, tab] : state_->tabs) tab->present = false;
    for (const config::Target& target : catalog->targets) {
        Shard& shard = state_->shard(target.provider);
        auto& tab = state_->tabs[target.id + '@' + scope_name(target, "model", {})];
        if (!tab) tab = std::make_unique<Tab>(shard, state_->memory);
        const std::lock_guard shard_lock(shard.mutex);
        tab->present = true;
        tab->catalog = catalog;
        tab->target = &target;
        tab->default_max_tokens = max_tokens_of(target);
        state_limits(*tab, opening, now);
        recall_learned(*tab, now);
        book->tabs_.push_back(tab.get());
    }
    state_->forget_unstated(opening, now);
    book->catalog_ = std::move(catalog);
    return book;
}

std::vector<Line> Ledger::lines(base::Now now) const {
    std::map<const Slot*, Line> found;
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, tab] : state_->tabs) {
        if (!tab->present) continue;
        const std::lock_guard shard_lock(tab->shard.mutex);
        for (Slot* slot : tab->slots) {
            Line& line = found.try_emplace(slot).first->second;
            if (line.key.empty()) line = line_of(*slot, now);
            if (line.aliases.size() < Line::kMostAliases &&
                std::ranges::find(line.aliases, tab->target->alias) == line.aliases.end())
                line.aliases.push_back(tab->target->alias);
        }
    }
    std::vector<Line> lines;
    for (auto& [slot, line] : found) lines.push_back(std::move(line));
    std::ranges::sort(lines, {}, &Line::key);
    return lines;
}

std::size_t Ledger::set(std::string_view what, const Setting& setting, base::Now now) {
    std::vector<Slot*> done;
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, tab] : state_->tabs) {
        if (!tab->present) continue;
        const std::lock_guard shard_lock(tab->shard.mutex);
        for (Slot* slot : tab->slots) {
            const bool meant = what == "all" || what == slot->bucket.key() || what == slot->name ||
                               what == tab->target->alias;
            if (!meant || std::ranges::find(done, slot) != done.end()) continue;
            double used = setting.value;
            if (setting.kind == Setting::Kind::reset) used = 0;
            if (setting.kind == Setting::Kind::remaining) {
                if (!slot->bucket.limit()) continue;
                used = std::max(0.0, *slot->bucket.limit() - setting.value);
            }
            slot->bucket.set_used(used, now);
            slot->dirty = true;
            done.push_back(slot);
        }
    }
    return done.size();
}

void Ledger::forget_refusals(std::string_view alias, base::Now now) {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, tab] : state_->tabs) {
        if (!alias.empty() && tab->target->alias != alias) continue;
        const std::lock_guard shard_lock(tab->shard.mutex);
        for (Slot* slot : tab->slots) {
            if (slot->stated) continue;
            const double taught = std::exchange(slot->taught, 0);
            if (taught > 0)
                slot->bucket.set_used(std::max(0.0, slot->bucket.charged_used(now) - taught), now);
            slot->bucket.forget_refusals(now);
            slot->dirty = true;
        }
    }
}

std::vector<Saved> Ledger::changed(base::Now now) {
    std::vector<Saved> list;
    for (Shard& shard : state_->shards) {
        const std::lock_guard lock(shard.mutex);
        for (const auto& [key, slot] : shard.slots)
            if (std::exchange(slot->dirty, false)) list.push_back(slot->bucket.save(now));
    }
    return list;
}

void Ledger::restore(std::vector<Saved> saved, MarkOf mark_of) {
    const std::lock_guard lock(state_->memory.mutex);
    for (Saved& one : saved) {
        std::string key = one.key;
        state_->memory.saved.insert_or_assign(std::move(key), std::move(one));
    }
    state_->memory.mark_of = std::move(mark_of);
}

void Ledger::each(const std::function<void(Bucket&)>& act) {
    for (Shard& shard : state_->shards) {
        const std::lock_guard lock(shard.mutex);
        for (const auto& [key, slot] : shard.slots)
            if (slot->bucket.blocks()) act(slot->bucket);
    }
}

}  // namespace quota
