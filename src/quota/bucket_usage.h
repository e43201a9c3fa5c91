#pragma once

#include "quota/rule.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace quota {

/// What of a rule decides how use comes back, and the ceiling in force.
struct Terms {
    Reset reset = Reset::rolling;
    base::Duration span{0};
    std::string time_zone;
    std::optional<double> limit;
    bool operator==(const Terms&) const = default;
};

/// Use that a provider has counted, by the latest that it can have done so.
struct Charge {
    std::uint64_t number = 0;  ///< of the call, to correct it by; 0: nobody's
    double amount = 0;
    base::Time stamp{};
    base::Time since{};  ///< no call that is charged now or later was counted before this
};

/// A window of first_use: the provider's ends between `earliest` and `latest`, and what it
/// counts between them may belong to the next.
struct FirstUseWindow {
    base::Time earliest{};
    base::Time latest{};
    std::uint64_t opener = 0;
    double of_next = 0;              ///< charged since `earliest`
    std::optional<base::Time> next;  ///< the last charge of these
    /// The one before ended by then: a call taken later opens this one, if none has yet.
    std::optional<base::Time> opens_by;
};

/// What is charged to one bucket under its reset kind; the arithmetic behind Bucket, which adds
/// what is held. Whoever asks calls advance() first. Owned by a Bucket.
class Usage {
public:
    /// Charges that are remembered one by one. Beyond that rolling ones are merged into the
    /// later one, and the oldest of other kinds can no longer be corrected downwards.
    static constexpr std::size_t kMost = 1024;
    /// What arithmetic may lose.
    static constexpr double kDust = 1e-9;
    using Span = base::Time::duration;

    explicit Usage(Terms terms) : terms_(std::move(terms)) {}

    /// Other terms: what is used stays used.
    void change(Terms terms, base::Now now);
    /// Lets come back what has come back by now.
    void advance(base::Now now);
    double used() const { return used_; }
    /// Counts at the charge's stamp, which is not after `now`.
    void charge(const Charge& charge, base::Now now);
    /// A call is over: it took `less` than was charged.
    void correct(std::uint64_t number, double less);
    /// So much is used, whatever was counted before.
    void move_to(double used, base::Now now);
    /// The present window ends in `rest`. Token buckets and rolling ones have none.
    void end_in(base::Duration rest, base::Now now);
    /// Time until `excess` of what is used is gone, if `held` is charged now; nullopt: never.
    std::optional<Span> gone_in(double excess, double held, base::Now now) const;

    /// Wall clock, ms: when a token bucket is full again, or the window ends; 0: there is none.
    std::int64_t until_ms(base::Now now) const;
    /// Wall clock ms and amount. Rolling: the charges. first_use: the earliest end of the window
    /// and what may belong to the next; then, if it may yet have to open, by when.
    using Entries = std::vector<std::pair<std::int64_t, double>>;
    Entries entries(base::Now now) const;
    /// As until_ms(), used() and entries() told it.
    void resume(std::int64_t until_ms, double used, const Entries& entries, base::Now now);

private:
    bool refills() const;
    bool rolls() const;
    double drained(double level, Span elapsed) const;
    void replay();
    void roll_period(base::Now now);
    void roll_window();
    void count_in_window(const Charge& charge);
    void resume_window(std::int64_t until_ms, double used, const Entries& entries, base::Now now);
    bool opener_may_not_count() const;
    void reopen(std::uint64_t number);
    void merge();
    void remember(const Charge& charge);
    Period around(base::WallTime at) const;

    Terms terms_;
    base::Time at_{};  ///< of the last advance
    double used_ = 0;
    /// rolling: all that count; token_bucket: since it was last full; windows: those that may
    /// yet be corrected. By stamp.
    std::deque<Charge> charges_;
    double level_before_ = 0;  ///< token_bucket: before the first of charges_
    base::Time level_at_{};
    std::optional<Period> period_;  ///< fixed, calendar_month
    base::Time period_began_{};
    std::optional<FirstUseWindow> window_;  ///< first_use
    base::Time last_stamp_{};
};

}  // namespace quota
