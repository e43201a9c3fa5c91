#pragma once

#include "quota/estimate.h"
#include "quota/ledger.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace quota {

/// A bucket in its place, with what the ledger itself knows of it.
struct Slot {
    Slot(std::string scope_, std::string name_, std::string key, Rule rule)
        : scope(std::move(scope_)),
          name(std::move(name_)),
          bucket(std::move(key), std::move(rule)) {}
    std::string scope;  ///< target, model, account, pool, provider
    std::string name;   ///< what the scope is of
    Bucket bucket;
    bool dirty = true;          ///< changed since it was last saved
    bool stated = false;        ///< configuration has it; else it was learned
    std::uint64_t opening = 0;  ///< of the ledger, at which configuration last stated it
    double taught = 0;          ///< use that only refusals told of
    double good = 0;            ///< most that was ever used in a window without a refusal
};

/// What an earlier run left of the buckets, until they are placed again.
struct Memory {
    std::mutex mutex;
    std::map<std::string, Saved, std::less<>> saved;
    Ledger::MarkOf mark_of = [](const std::string&) { return nullptr; };
};

/// All buckets of one provider behind one lock: a target's limits are all in one shard, so they
/// are taken together or not at all.
struct Shard {
    std::mutex mutex;
    std::map<std::string, std::unique_ptr<Slot>, std::less<>> slots;  ///< by key; never removed
};

/// A target's place in the ledger. Everything but `bare` belongs to its shard's lock.
struct Tab {
    /// A provider can't make it longer than this by what its headers say.
    static constexpr std::size_t kMostSlots = 24;

    Tab(Shard& s, Memory& m) : shard(s), memory(m) {}
    Shard& shard;
    Memory& memory;
    std::atomic<bool> bare{true};            ///< no bucket yet: nothing to ask
    bool present = true;                     ///< in the newest catalog
    config::Snapshot catalog;                ///< the newest that has it, or had it
    const config::Target* target = nullptr;  ///< in that catalog
    std::vector<Slot*> slots;
    Estimate estimate;
    std::optional<std::uint64_t> default_max_tokens;  ///< that configuration adds to its requests

    /// What `work` takes of a bucket of that metric; `least`: what it takes at the very least.
    double need(const Bucket& bucket, const Work& work) const;
    double least(Metric metric, const Work& work) const;
    /// What a finished call took of it.
    double took(const Rule& rule, const Used& used) const;
    /// The limit that a provider speaks of; an empty `window` finds it only if it is the only one.
    Slot* find(Metric metric, std::string_view window, std::string_view pool);
    /// The bucket of that scope and rule, made (with what is remembered of it) where there is
    /// none; nullptr if the tab is full.
    Slot* place(const std::string& scope, const std::string& name, Rule rule, base::Now now);
};

/// "model" of a target: "groq:GROQ_API_KEY/llama-3.1-8b-instant"; account, pool likewise.
std::string scope_name(const config::Target& target, std::string_view scope, std::string_view pool);

/// Whether the provider takes max_tokens from its bucket when a call begins.
bool reserves_output(base::Provider provider);

/// The rule of a limit that only the provider ever spoke of.
Rule learned_rule(base::Provider provider, Metric metric, std::string window);

}  // namespace quota
