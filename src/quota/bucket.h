#pragma once

#include "base/clock.h"
#include "quota/bucket_usage.h"
#include "quota/rule.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace quota {

/// Who said a figure.
enum class Source { configured, counted, header, refusal, discovered, operator_set, restored };
std::string_view name(Source source);
std::optional<Source> source_named(std::string_view name);

/// What of a bucket must be visible after a kill -9: written in place at every change, into
/// memory that outlives the process (store/live_file.h) or into the bucket itself.
struct Mark {
    double charged = 0;            ///< sum of all that was ever charged; corrections only add
    double held = 0;               ///< held by calls under way
    std::int64_t last_charge = 0;  ///< wall clock, ms
};

/// A part of a reservation in one bucket. Plain value, kept by the reservation.
struct Hold {
    std::uint64_t number = 0;  ///< in the bucket's order of holding
    double amount = 0;
    base::Time since{};         ///< when it was taken: the provider counts it later than this
    double charged_before = 0;  ///< Mark::charged at that time
};

/// A bucket's state on disk.
struct Saved {
    std::string key;
    Reset reset = Reset::rolling;
    double charged = 0;         ///< Mark::charged when this was saved
    double used = 0;            ///< windows and lifetime: used in the present one
    std::int64_t until_ms = 0;  ///< wall clock: token_bucket full again, or the window's end
    std::vector<std::pair<std::int64_t, double>>
        entries{};  ///< rolling: charged at (wall ms), amount
    std::int64_t closed_until_ms = 0;
    std::optional<double> learned_limit{};
    Source limit_source = Source::configured;
    std::int64_t limit_at_ms = 0;
};

/// What a provider said of a bucket, in a header or a refusal.
struct Reading {
    std::optional<double> limit{};
    std::optional<double> remaining{};  ///< after the call that brought it
    std::optional<double> used{};
    std::optional<base::Duration>
        reset_in{};  ///< end of the window; ignored by token_bucket and rolling
    Source source = Source::header;
};

/// One limit with what is left of it: pure arithmetic, time is an argument. Not thread-safe: a
/// shard of the ledger owns it.
///
/// A provider counts a call some time between its start and the head of its answer, and we learn
/// of both only from outside. So a call is first *held*, which counts at every instant, then
/// *charged* as of when its answer's head came (or kCountedWithin after its start, if that is
/// earlier): the latest that the provider can have counted it. Whatever the delays on the way,
/// the provider therefore never sees more in a window than the limit.
class Bucket {
public:
    /// A call whose answer is slow to begin was counted by the provider at most this long after
    /// it was sent.
    static constexpr base::Duration kCountedWithin{2'000};
    /// That a call was left reaches the provider within this; until then it may count it.
    static constexpr base::Duration kLeftWithin{250};
    /// A provider frees a slot of concurrency a little after it has sent the last byte.
    static constexpr base::Duration kSlotLeaves{50};
    /// Rolling entries are merged (into the later one) beyond this many.
    static constexpr std::size_t kMostEntries = Usage::kMost;

    Bucket(std::string key, Rule rule);
    Bucket(const Bucket&) = delete;
    Bucket& operator=(const Bucket&) = delete;

    const std::string& key() const {
        return key_;
    }  ///< "model:groq:GROQ_API_KEY/llama-3.1-8b-instant requests/day"
    const Rule& rule() const { return rule_; }
    /// A reload changed the rule: what was used stays used.
    void replace(Rule rule, base::Now now);

    /// The ceiling in force; nullopt: unknown, nothing is refused for it.
    std::optional<double> limit() const;
    Source limit_source() const { return limit_source_; }
    base::WallTime limit_at() const { return limit_at_; }
    /// Who last said what is left, and when.
    Source source() const { return source_; }
    base::WallTime source_at() const { return source_at_; }
    /// True if a lack here keeps a call back: the ceiling is known, and not merely advisory.
    bool blocks() const;

    /// What a call may take now; negative where more was used than allowed; infinite if unknown.
    double available(base::Now now);
    /// Charged and held, as the provider would count it now.
    double used(base::Now now);
    /// Charged alone, without what is held.
    double charged_used(base::Now now) { return used(now) - held(); }
    double held() const { return mark_->held; }
    double charged() const { return mark_->charged; }
    /// Sum of what calls of this process have used: without what a provider said or an earlier
    /// run left. A correction counts by what it still lowers, so a call of a window that is over
    /// gives nothing back.
    double spent() const { return spent_; }
    /// Time until `amount` could be taken if nobody else took anything: 0 now; nullopt: never
    /// (more than the limit, or nothing comes back).
    std::optional<base::Duration> earliest(double amount, base::Now now);
    /// Time until it is whole again: window end, or refilled; nullopt: never. 0: it is whole.
    std::optional<base::Duration> whole_in(base::Now now);

    /// Holds `amount` (0 is allowed) without asking whether it is there.
    Hold hold(double amount, base::Now now);
    /// The provider has counted the call by now. Once a hold; settle() does it where it is missing.
    void charge(const Hold& hold, base::Now now);
    /// The real amount is known: corrects the charge. Releases a hold of concurrency.
    void settle(const Hold& hold, double used, base::Now now);
    /// The call was left, and nobody knows what became of it: what it held is charged, as of the
    /// moment at which the provider knows as much.
    void lost(const Hold& hold, base::Now now);
    /// The call was never sent: as if it had never been held.
    void refund(const Hold& hold);

    /// Corrects limit and rest by what the provider said in the answer to `call` (nullptr: to
    /// nobody in particular). Calls under way beside it may or may not be in its figure: our own
    /// count stays where it agrees with some order of them, else it moves to the nearest that
    /// does. A configured limit that is not advisory is only ever lowered.
    void learn(const Reading& reading, const Hold* call, base::Now now);
    /// A refusal: nothing is left until then. Later closings extend, never shorten.
    void close(base::Duration back_in, Source source, base::Now now);
    /// Forgets what refusals taught: the closing, and a ceiling that was found by being refused.
    void forget_refusals(base::Now now);
    /// Operator: this much is used, as of now (0: the bucket is whole, and open).
    void set_used(double used, base::Now now);

    /// Recent use in units a second (fading over ten minutes, or the window where that is shorter).
    double rate(base::Now now) const;

    /// Several gateways share it: only what the shared ledger granted may be taken.
    struct Grant {
        double left = 0;
        base::Time until{};
    };
    void share(bool shared);
    bool shared() const { return shared_; }
    void grant(double amount, base::Time until);
    /// Takes back what is not used of the grant, for returning it.
    double withdraw();
    double granted(base::Now now) const;

    Saved save(base::Now now) const;
    /// State of an earlier run; `mark` (where there is one) may tell of more than `saved` knows:
    /// that much is charged as of its last charge, what was held too.
    void restore(const Saved& saved, const Mark* mark, base::Now now);
    /// From now on changes are written to `mark`, which outlives the bucket.
    void attach(Mark* mark);

private:
    /// A call that is younger than kCountedWithin.
    struct Open {
        double amount = 0;
        base::Time since{};
        bool done = false;  ///< charged or refunded
    };
    /// Changes are saved at least this often.
    static constexpr base::Duration kUnsaved{60'000};

    /// Whether calls are charged at all: what they hold of concurrency goes back as it was.
    bool counts() const;
    Terms terms() const;
    base::Now advance(base::Now now);
    Open* open(const Hold& hold);
    void count(const Hold& hold, base::Time stamp, base::Now now);
    void release(double amount);
    /// The call took `less` than was charged for it.
    void correct(std::uint64_t number, double less);
    void charge_at(const Charge& charge, base::Now now);
    /// Tells the mark of use that no call of ours made.
    void mark_more(double amount, base::Now now);
    void learn_limit(const Reading& reading, base::Now now);
    void learn_used(double theirs, double since, base::Now now);

    std::string key_;
    Rule rule_;
    std::optional<double> learned_;  ///< ceiling, as the provider stated it
    Usage usage_;
    Mark own_;
    Mark* mark_ = &own_;
    std::deque<Open> holds_;  ///< the first has number first_
    std::uint64_t first_ = 1;
    base::Time latest_{};  ///< time never goes back for a bucket, whoever read it first
    Source limit_source_ = Source::configured;
    base::WallTime limit_at_{};
    std::optional<base::Time> closed_until_;
    double rate_ = 0;
    base::Time rate_at_{};
    bool shared_ = false;
    std::vector<std::pair<base::Time, double>> leaving_;  ///< slots that are free from then on
    std::deque<std::pair<base::Time, Hold>> lost_;        ///< charged then
    void said_by(Source source, base::Now now);
    Source source_ = Source::configured;
    base::WallTime source_at_{};
    Grant grant_;
    double spent_ = 0;
};

}  // namespace quota
