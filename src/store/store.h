#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "quota/bucket.h"
#include "store/answer_cache.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace store {

/// A bench that outlives the process: route::Bench in words and wall-clock time.
struct SavedBench {
    std::string key;
    std::string cause;
    std::string source;
    std::string window;
    std::int64_t until_ms = 0;
    std::string detail;
    int failures = 0;

    bool operator==(const SavedBench&) const = default;
};

/// Calls of one second that ended alike. At low rates one call a row. No prompt, no key.
struct UsageRow {
    std::int64_t second = 0;  ///< wall clock, epoch seconds
    std::string alias;        ///< what the client asked for
    std::string target;       ///< who was called
    std::string tier;
    std::string outcome;
    std::uint64_t calls = 1;
    std::uint64_t input_tokens = 0;
    std::uint64_t cached_tokens = 0;
    std::uint64_t output_tokens = 0;
    std::uint64_t estimated = 0;  ///< calls whose tokens nobody stated
    double cost_usd = 0;          ///< money really spent: 0 for free, flat and local tiers
    std::uint64_t ms = 0;
};

/// How the store is, for /health/readiness.
struct Health {
    bool open = false;
    bool stalled = false;            ///< the last commit takes longer than 2 s
    std::string problem;             ///< "disk full", a damaged file that was moved, …; empty: none
    base::Duration since_commit{0};  ///< age of the last successful commit
    std::uint64_t waiting_rows = 0;
    std::uint64_t lost_rows = 0;  ///< dropped because too many waited
};

/// What outlives the process, in DATA/freeway.db (SQLite, WAL) with one writer thread, and in
/// DATA/ledger.live, marks in mapped memory that a kill -9 leaves behind whole. Nothing here ever
/// waits for the disk but the constructor, stop() and the writer thread. Retention: usage rows are
/// kept kDays days, then deleted in small steps.
class Store {
public:
    static constexpr base::Duration kTick{200};
    static constexpr int kDays = 90;
    static constexpr std::size_t kMostWaitingRows = 100'000;
    static constexpr int kSchema = 2;

    /// Opens or creates; migrates an older schema. Errors: `refused` for a file that a newer
    /// freeway wrote (it is left alone) and for a folder that another process uses; `io` where
    /// the folder can't be written: then the gateway may serve without a store. A damaged file
    /// is moved aside and said in the log.
    static base::Result<std::unique_ptr<Store>> open(const std::string& folder);
    ~Store();

    /// What an earlier run left. Once (it is handed over), before start().
    std::vector<quota::Saved> ledger();
    std::vector<SavedBench> benches();
    /// The mark that outlives the process for a bucket of that key, with its old content.
    quota::Mark* mark(const std::string& key);

    /// What the writer thread asks for at each tick: the ledger's changed buckets, and all
    /// benches worth keeping (written when they differ from the last).
    struct Sources {
        std::function<std::vector<quota::Saved>()> ledger;
        std::function<std::vector<SavedBench>()> benches;
        /// Takes the answers that an earlier run kept, newest first, until it says false. Called
        /// by the writer thread at its start, so that nobody waits for them.
        std::function<bool(KeptAnswerPtr)> restore{};
    };
    void start(Sources sources);
    /// A last commit, waited for at most `within`; then the thread is left to itself if the disk
    /// hangs.
    void stop(base::Duration within);

    /// From any thread; takes a short lock, allocates little, never waits.
    void add(UsageRow row);
    void add(KeptAnswerPtr answer);
    /// Forgets all answers.
    void clear_answers();
    /// How much the kept answers may take on the disk; beyond it the oldest go.
    void set_most_answer_bytes(std::size_t bytes);
    Health health() const;

private:
    struct State;
    std::shared_ptr<State> state_;  ///< shared with the writer thread, which may outlive the store
};

}  // namespace store
