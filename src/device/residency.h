#pragma once

#include "base/clock.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace device {

/// A model as one engine holds it. `engine` names a place where models are loaded (a service's
/// address, a child process); `model` is that place's own word for it.
struct ModelKey {
    std::string engine;
    std::string model;
    auto operator<=>(const ModelKey&) const = default;
};

/// What an engine said it holds.
struct Resident {
    std::string model;
    std::uint64_t bytes = 0;  ///< on this device; 0: it did not say
    bool busy = false;        ///< at work (also: loading), for us or for others
    bool loading = false;
    bool leaving = false;  ///< by itself
};

/// Which models are on a device and how much of its memory they take: what their engines said,
/// what leases claim until then, what is on its way out. It knows no waiters and decides nothing,
/// except which models would have to go. Part of Scheduler; bytes are signed because others may
/// take more than there was.
class Residency {
public:
    enum class Presence {
        absent,
        expected,  ///< a lease may have loaded it, its engine has not said so yet
        seen,      ///< its engine listed it, or a lease was served from it
    };
    struct Model {
        Presence presence = Presence::absent;
        bool evicting = false;
        bool busy = false;
        bool loading = false;   ///< as its engine said; else it is taken to be there
        bool leaving = false;   ///< as its engine said
        bool settling = false;  ///< a lease of ours began to load it, nobody has seen it loaded
        int leases = 0;
        std::uint64_t declared = 0;  ///< by who claimed it; 0: unknown
        std::uint64_t measured = 0;  ///< from lists; lowered only when idle; 0: never
        std::uint64_t seen = 0;      ///< in the last list
        base::Time idle_since{};
        std::optional<base::Duration> load_time;  ///< means of the past
        std::optional<base::Duration> lease_time;
        std::uint64_t drains_for = 0;  ///< the waiter it was last chosen to leave for

        /// Takes memory.
        bool counted() const { return presence != Presence::absent || evicting; }
        /// A lease on it needs no further memory.
        bool usable() const { return presence != Presence::absent && !evicting; }
    };
    /// What is missing for a model: bytes, and places in its engine. At or below 0: nothing.
    struct Lack {
        const ModelKey& key;
        std::int64_t bytes = 0;
        int places = 0;
    };

    void set_budget(std::optional<std::uint64_t> budget) { budget_ = budget; }
    void set_others(std::uint64_t bytes) { others_ = bytes; }

    /// One lease more. True: it may have to load first.
    bool claim(const ModelKey& key, std::uint64_t declared, base::Time now);
    void loaded(const ModelKey& key, std::optional<base::Duration> took);
    void release(const ModelKey& key, bool failed, base::Time now);
    void lease_took(const ModelKey& key, base::Duration time);

    void observed(const std::string& engine, const std::vector<Resident>& residents,
                  base::Time now);
    void unreachable(const std::string& engine);
    void evict(const ModelKey& key) { models_.at(key).evicting = true; }
    void evicted(const ModelKey& key);
    void eviction_failed(const ModelKey& key, std::string reason, base::Time now);
    /// Ends the rest of engines that failed to evict, where it is over.
    void wake(base::Time now);
    base::Time due() const;

    const Model* find(const ModelKey& key) const;
    const std::map<ModelKey, Model>& models() const { return models_; }
    std::map<std::string, std::string> troubled() const;
    std::optional<std::uint64_t> budget() const { return budget_; }
    std::uint64_t others() const { return others_; }

    /// What a request for `key` would take; unknown: all that the device has for us.
    std::int64_t footprint(const ModelKey& key, std::uint64_t declared) const;
    std::int64_t bytes(const Model& model) const;
    /// The same for people: 0 if unknown.
    std::uint64_t known_bytes(const Model& model) const;
    bool never_fits(const ModelKey& key, std::uint64_t declared) const;
    std::int64_t free() const;
    base::Duration load_time(const ModelKey& key, std::uint64_t declared) const;

    /// Who would have to go beside `leaving`, the least valuable first and no more than needed:
    /// of those that are idle now, or, with `drain_for`, also of those in use. Nothing if that
    /// would not be enough.
    std::optional<std::vector<ModelKey>> victims(const Lack& lack,
                                                 const std::set<ModelKey>& leaving,
                                                 std::optional<std::uint64_t> drain_for,
                                                 base::Time now) const;
    void drain(const ModelKey& key, std::uint64_t waiter) { models_.at(key).drains_for = waiter; }

private:
    struct Engine {
        bool asked = false;  ///< at least once; else nothing is known but claims
        bool unreachable = false;
        bool resting = false;
        int failures = 0;  ///< to evict, in a row
        base::Time rested_at{};
        std::string culprit;  ///< the model that did not go
        std::string reason;
    };
    struct Candidate;

    std::int64_t capacity() const;
    std::int64_t whole() const;
    bool may_evict_from(const std::string& engine) const;
    std::vector<Candidate> candidates(const std::set<ModelKey>& leaving,
                                      std::optional<std::uint64_t> drain_for, base::Time now) const;
    void forget_some();

    std::optional<std::uint64_t> budget_;
    std::uint64_t others_ = 0;
    std::map<ModelKey, Model> models_;
    std::map<std::string, Engine> engines_;
};

}  // namespace device
