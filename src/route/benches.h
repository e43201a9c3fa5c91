#pragma once

#include "base/clock.h"
#include "config/catalog.h"
#include "llm/outcome.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace route {

/// Who said how long: a guess is never longer than the table allows and never
/// shortens what the provider stated.
enum class Source { guessed, configured, stated };
std::string_view name(Source source);

/// A target, account or pool set aside.
struct Bench {
    std::string
        key;  ///< "target:groq-llama-3.1-8b", "account:groq:GROQ_API_KEY", "pool:openrouter-free@…"
    llm::Outcome cause = llm::Outcome::transient;
    Source source = Source::guessed;
    llm::Window window = llm::Window::none;
    base::Time until{};
    std::string detail;  ///< the upstream's words, redacted
    int strikes = 0;     ///< failures in a row
};

/// What configuration says about a bench.
struct BenchTerms {
    std::optional<base::Duration> cooldown{};  ///< takes a guess's place; 0: no guess benches
    int allowed_fails = 0;                     ///< so many in a row come before a guess benches
};

/// Which target is set aside until when and why. Shared by all workers; a request
/// that meets no bench takes no lock. At most kMost entries: beyond it the ones
/// that end first go.
class Benches {
public:
    static constexpr std::size_t kMost = 4096;

    /// Takes note of a failed attempt: benches what `failure` is about, until the
    /// largest of what was stated, what is configured and what stands already. Does
    /// nothing for outcomes that bench nothing. Failures that `terms` allow are only counted,
    /// unless the upstream stated a return, named a window or has nothing left. Returns the
    /// bench in force.
    std::optional<Bench> failed(const config::Target& target, const llm::Failure& failure,
                                const BenchTerms& terms, base::Time now);

    /// The target served: guesses that have run out are forgotten.
    void served(const config::Target& target, base::Time now);

    /// The bench that keeps `target` out at `now`, the one that ends last.
    std::optional<Bench> find(const config::Target& target, base::Time now) const;

    /// Like find(), asked right before an attempt. After a guessed bench has run out
    /// only one attempt at a time probes whether the target is back; `probing` is set
    /// for that one. The others see a bench that ends in a moment.
    std::optional<Bench> admit(const config::Target& target, base::Time now, bool& probing);
    /// The probe ended without a verdict (the client left).
    void release_probe(const config::Target& target);

    std::vector<Bench> list(base::Time now) const;
    /// Those that must outlive a restart: stated by the provider, or about quota, key or
    /// model, and still longer than a minute.
    std::vector<Bench> lasting(base::Time now) const;
    /// Puts back what an earlier run saved.
    void restore(const std::vector<Bench>& benches, base::Time now);
    /// Clears what concerns the target; false if nothing did.
    bool clear(const config::Target& target);
    void clear_all();

private:
    struct Entry {
        Bench bench;
        base::Time probe_until{};
        bool began = true;  ///< false: failures are counted, nobody is set aside
    };
    std::optional<Bench> hold_back(Entry entry, base::Time now);
    void store(Entry entry, base::Time now);

    mutable std::mutex mutex_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::atomic<bool> any_{false};
};

}  // namespace route
