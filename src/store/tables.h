#pragma once

#include "store/answer_log.h"
#include "store/store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace store {

/// What a restart finds again.
struct Contents {
    std::vector<quota::Saved> ledger;
    std::vector<SavedBench> benches;
};

/// What one commit writes.
struct Batch {
    std::unordered_map<std::string, quota::Saved> ledger;  ///< by key; other keys stay
    std::optional<std::vector<SavedBench>> benches;        ///< all there are; absent: as they were
    std::deque<UsageRow> usage;

    bool empty() const { return ledger.empty() && !benches && usage.empty(); }
};

/// What an older schema needs to become the newest: [i] leads from schema i to i + 1.
inline const std::vector<std::string> kMigrations = {
    "CREATE TABLE ledger (key TEXT PRIMARY KEY, reset TEXT NOT NULL, charged REAL NOT NULL,"
    " used REAL NOT NULL, until_ms INTEGER NOT NULL, entries TEXT NOT NULL,"
    " closed_until_ms INTEGER NOT NULL, learned_limit REAL, limit_source TEXT NOT NULL,"
    " limit_at_ms INTEGER NOT NULL, saved_at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE benches (key TEXT NOT NULL, cause TEXT NOT NULL, source TEXT NOT NULL,"
    " window TEXT NOT NULL, until_ms INTEGER NOT NULL, detail TEXT NOT NULL,"
    " failures INTEGER NOT NULL);"
    "CREATE TABLE usage (second INTEGER NOT NULL, alias TEXT NOT NULL, target TEXT NOT NULL,"
    " tier TEXT NOT NULL, outcome TEXT NOT NULL, calls INTEGER NOT NULL,"
    " input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,"
    " output_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL, cost_usd REAL NOT NULL,"
    " ms INTEGER NOT NULL);"
    "CREATE INDEX usage_second ON usage (second);",
    "CREATE TABLE answers (key BLOB PRIMARY KEY, stored INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, bytes INTEGER NOT NULL, served_by TEXT NOT NULL,"
    " body BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX answers_stored ON answers (stored, bytes);"
    "CREATE INDEX answers_expires ON answers (expires);"};

/// Applies what is missing, each step in a transaction of its own. Returns the schema it found.
/// Throws SQLite::Exception.
int migrate(SQLite::Database& database, const std::vector<std::string>& migrations);

/// Rows that make no sense are skipped with a warning. Throws SQLite::Exception.
Contents read_contents(SQLite::Database& database);

/// The prepared statements that write the tables of the newest schema. All throw SQLite::Exception.
/// One thread.
class Tables {
public:
    /// Most rows that one forget() deletes.
    static constexpr int kStep = 1000;
    /// A bucket that nothing changed for so long is none of the present configuration's.
    static constexpr int kLedgerDays = 100;

    explicit Tables(SQLite::Database& database);

    /// All of it or nothing. `now`: epoch seconds.
    void write(const Batch& batch, std::int64_t now);
    /// One step of retention. True: there may be more to delete.
    bool forget(std::int64_t now);
    /// All of it or nothing; then the oldest go until all kept answers fit into `most_bytes`.
    void write(const AnswerLog::Changes& answers, std::size_t most_bytes);
    /// Gives the answers that have not expired, newest first, until `take` says false.
    void read_answers(std::int64_t now, const std::function<bool(KeptAnswerPtr)>& take);

private:
    void write_bucket(const quota::Saved& saved, std::int64_t now);
    void write_bench(const SavedBench& bench);
    void write_usage(const UsageRow& row);
    void write_answer(const KeptAnswer& answer);
    void bound_answers(std::size_t most_bytes);

    SQLite::Database& database_;
    SQLite::Statement put_bucket_;
    SQLite::Statement clear_benches_;
    SQLite::Statement put_bench_;
    SQLite::Statement put_usage_;
    SQLite::Statement forget_usage_;
    SQLite::Statement forget_buckets_;
    SQLite::Statement clear_answers_;
    SQLite::Statement put_answer_;
    SQLite::Statement sum_answers_;
    SQLite::Statement forget_oldest_answers_;
    SQLite::Statement forget_expired_answers_;
};

}  // namespace store
