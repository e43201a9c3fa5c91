#pragma once

#include "config/catalog.h"
#include "llm/outcome.h"
#include "llm/rates.h"
#include "llm/usage.h"
#include "quota/bucket.h"

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quota {

/// What a request would use, as far as it can be told before it is sent.
struct Work {
    std::uint64_t prompt_bytes = 0;
    std::optional<std::uint64_t> max_tokens{};
    double images = 0;
    double inputs = 0;
    double audio_seconds = 0;
    double characters = 0;    ///< to speak
    std::uint64_t calls = 1;  ///< one after the other, of about the same size
};

/// What a call really used.
struct Used {
    double input_tokens = 0;
    double cached_tokens = 0;   ///< part of input_tokens
    double written_tokens = 0;  ///< to a cache: part of input_tokens too
    double output_tokens = 0;
    std::optional<double> usd{};  ///< as the provider stated it; else it follows from the prices
    double images = 0;
    double inputs = 0;
    double audio_seconds = 0;
    double characters = 0;
};

/// What it costs in USD: as the provider stated it, else by these prices.
double cost(const Used& used, const config::Prices& prices);

/// The limit that keeps a request from a target.
struct Shortage {
    std::string limit;  ///< Bucket::key
    Metric metric = Metric::requests;
    std::string window;
    double ceiling = 0;
    double used = 0;
    double needed = 0;
    std::optional<base::Duration> back_in;  ///< nullopt: never (too large, or it does not return)
    bool fits_never = false;                ///< the request is larger than the whole limit
    bool ungranted = false;  ///< there is enough; the shared ledger has yet to hand it out
    /// "tokens/day 100,000; 99,210 used; 3,400 needed; back in 41 m"
    std::string text() const;
    /// rate_limited for up to a minute's window, exhausted for longer ones, too_large.
    llm::Outcome cause() const;
};

class Ledger;
struct Tab;
struct Slot;

/// Quota held for one attempt: all limits of its target at once. Ends in exactly one of
/// settle(), fail() or unsent(); destroyed without, it charges what it held. Where the attempt
/// makes several calls they are about the present one; what was held for further calls is
/// given back. Belongs to one
/// attempt; may be destroyed on any thread while the ledger lives.
class Reservation {
public:
    Reservation() = default;
    Reservation(Reservation&&) noexcept;
    Reservation& operator=(Reservation&&) noexcept;
    ~Reservation();

    /// The head of the answer came: the provider has counted the call.
    void counted(base::Now now);
    /// The present call served and used this, for `prompt_bytes` of the work; another follows.
    void served(const Used& used, std::uint64_t prompt_bytes, base::Now now);
    /// It served, and this is what it used.
    void settle(const Used& used, base::Now now);
    /// It failed after it was sent. `refused`: for quota or load, before any work was done.
    /// `used`: what the provider worked before it broke off (input and output so far); without
    /// input tokens they are estimated, unless it refused.
    void fail(bool refused, const Used& used, base::Now now);
    /// Its end is unknown (cut off, or the client left): what was held is charged.
    void lost();
    /// It never left the house.
    void unsent();
    explicit operator bool() const { return tab_ != nullptr; }

private:
    friend class Ledger;
    friend class Book;
    struct Part {
        Slot* slot = nullptr;
        Hold hold;
        bool told = false;  ///< its own answer's head said what is left: that holds this call
    };
    Part* part_in(const Slot& slot);
    /// Those of the present call.
    std::span<Part> present() { return std::span(parts_).first(parts_.size() / calls_); }
    void give_back_further();
    void settle(const Part& part, const Used& used, base::Now now);
    Tab* tab_ = nullptr;
    std::vector<Part> parts_;  ///< call by call
    std::uint64_t calls_ = 1;  ///< that are still held for
    std::uint64_t prompt_bytes_ = 0;
};

/// A line of `freeway quota`: one bucket as it stands.
struct Line {
    std::string key;
    std::string scope;  ///< target, model, account, pool, provider
    std::string name;   ///< what the scope is of
    Rule rule;
    std::optional<double> limit{};
    double used = 0;
    double held = 0;
    std::optional<double> remaining{};
    std::optional<base::Duration> whole_in{};  ///< until it is whole again; nullopt: never
    std::optional<base::Duration> back_in{};   ///< until one unit can be taken; 0: now
    Source source = Source::configured;        ///< who last said what is left
    base::WallTime source_at{};
    Source limit_source = Source::configured;  ///< who said the ceiling
    base::WallTime limit_at{};
    bool blocks = false;
    double rate = 0;                              ///< units a second, recently
    std::optional<base::Duration> runs_out_in{};  ///< at that rate, before it comes back
    std::vector<std::string> aliases{};           ///< whom it concerns, at most kMostAliases
    static constexpr std::size_t kMostAliases = 512;
};

/// How much is left behind an alias as a whole, as OpenAI's headers would say it.
struct Allowance {
    struct Side {
        bool known = false;
        double limit = 0;
        double remaining = 0;
        base::Duration reset_in{0};
    };
    Side requests;
    Side tokens;
};

/// The tabs of one catalog's targets: what decide() asks. Immutable; shared by all threads.
/// Keeps its catalog alive.
class Book {
public:
    /// The limit that would refuse `work` at `target` now; the one that returns last if several
    /// do. nullopt: it can go. Cheap where the target has no limits.
    std::optional<Shortage> shortage(const config::Target& target, const Work& work,
                                     base::Now now) const;
    /// Holds what `work` needs of every limit of `target`, all or nothing.
    std::expected<Reservation, Shortage> reserve(const config::Target& target, const Work& work,
                                                 base::Now now) const;
    /// How often a request like `work` can still be served before its quota comes back, by
    /// the hour of waiting: high for much that expires soon, low for what is scarce. nullopt:
    /// no limit is known.
    std::optional<double> plenty(const config::Target& target, const Work& work,
                                 base::Now now) const;
    /// What the headers of a reply said. `own`: the attempt that brought it.
    void learn(const config::Target& target, std::span<const llm::Rate> rates, Reservation* own,
               base::Now now) const;
    /// What a refusal said: closes or lowers the bucket that it names, and narrows unknown limits.
    /// Called when the refused call's reservation has ended.
    void refused(const config::Target& target, const llm::Failure& failure, base::Now now) const;
    /// Whether any of them has a limit, known or not.
    bool limited(std::span<const config::Target* const> targets) const;
    /// Of several targets, a limit that they share counts once.
    Allowance allowance(std::span<const config::Target* const> targets, base::Now now) const;

    const config::Catalog& catalog() const { return *catalog_; }
    const config::Snapshot& snapshot() const { return catalog_; }

private:
    friend class Ledger;
    Tab* tab(const config::Target& target) const;
    config::Snapshot catalog_;
    std::vector<Tab*> tabs_;  ///< one a target of the catalog, in its order
};

/// All limits of all targets and what is left of them; one truth for the router, the headers,
/// the surface and the forecast. Thread-safe: one small lock a provider, never held across a
/// wait. Time is an argument.
class Ledger {
public:
    Ledger();
    ~Ledger();
    Ledger(const Ledger&) = delete;

    /// The book of a catalog; limits that it shares with an earlier one keep what was used.
    std::shared_ptr<const Book> open(config::Snapshot catalog, base::Now now);

    std::vector<Line> lines(base::Now now) const;

    /// What an operator says of a bucket.
    struct Setting {
        enum class Kind { reset, used, remaining };
        Kind kind = Kind::reset;  ///< reset: as if never used, and open
        double value = 0;
    };
    /// Acts on the buckets whose key, scope name or alias is `what`; returns how many there were.
    std::size_t set(std::string_view what, const Setting& setting, base::Now now);

    /// What refusals taught of limits that configuration does not state, of an alias's (empty: of
    /// all), is forgotten: operators cleared its benches.
    void forget_refusals(std::string_view alias, base::Now now);

    /// State that must outlive the process. changed(): those touched since the last call.
    std::vector<Saved> changed(base::Now now);
    /// Before open(): what an earlier run saved. `mark_of` gives the memory that outlives the
    /// process for a key (nullptr: none is left) — its old content, which new changes overwrite.
    using MarkOf = std::function<Mark*(const std::string& key)>;
    void restore(std::vector<Saved> saved, MarkOf mark_of);

    /// Every blocking bucket, under its lock: for the shared ledger (store/shared_ledger.h).
    void each(const std::function<void(Bucket&)>& act);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace quota
