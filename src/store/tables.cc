#include "store/tables.h"

#include "base/log.h"

#include <boost/json.hpp>

#include <utility>

namespace store {

namespace json = boost::json;

namespace {

constexpr std::int64_t kDay = 86'400;

/// Binds values in order and runs. A statement whose last run failed is made ready again.
template <class... Values>
int run(SQLite::Statement& statement, const Values&... values) {
    statement.tryReset();
    int index = 0;
    (statement.bind(++index, values), ...);
    const int changed = statement.exec();
    statement.tryReset();
    return changed;
}

/// `[[charged at, epoch ms; amount], …]`
std::string entries_text(const quota::Saved& saved) {
    json::array list;
    list.reserve(saved.entries.size());
    for (const auto& [at, amount] : saved.entries) list.push_back(json::array{at, amount});
    return json::serialize(list);
}

void read_entries(const std::string& text, quota::Saved& saved) {
    for (const json::value& entry : json::parse(text).as_array())
        saved.entries.emplace_back(entry.at(0).to_number<std::int64_t>(),
                                   entry.at(1).to_number<double>());
}

/// nullopt: a word or the entries can't be read.
std::optional<quota::Saved> read_bucket(SQLite::Statement& row) try {
    quota::Saved saved;
    saved.key = row.getColumn(0).getString();
    saved.charged = row.getColumn(2).getDouble();
    saved.used = row.getColumn(3).getDouble();
    saved.until_ms = row.getColumn(4).getInt64();
    saved.closed_until_ms = row.getColumn(6).getInt64();
    if (!row.getColumn(7).isNull()) saved.learned_limit = row.getColumn(7).getDouble();
    saved.limit_at_ms = row.getColumn(9).getInt64();
    const auto reset = quota::reset_named(row.getColumn(1).getString());
    const auto source = quota::source_named(row.getColumn(8).getString());
    if (!reset || !source) return std::nullopt;
    saved.reset = *reset;
    saved.limit_source = *source;
    read_entries(row.getColumn(5).getString(), saved);
    return saved;
} catch (const boost::system::system_error&) {
    return std::nullopt;
}

std::vector<quota::Saved> read_ledger(SQLite::Database& database) {
    SQLite::Statement rows(database,
                           "SELECT key, reset, charged, used, until_ms, entries, closed_until_ms,"
                           " learned_limit, limit_source, limit_at_ms FROM ledger");
    std::vector<quota::Saved> ledger;
    while (rows.executeStep()) {
        if (auto saved = read_bucket(rows))
            ledger.push_back(std::move(*saved));
        else
            base::log::write(base::log::Level::warning,
                             "a saved limit can't be read and is left out",
                             {{"key", rows.getColumn(0).getString()}});
    }
    return ledger;
}

std::vector<SavedBench> read_benches(SQLite::Database& database) {
    SQLite::Statement rows(database,
                           "SELECT key, cause, source, window, until_ms, detail, failures"
                           " FROM benches ORDER BY rowid");
    std::vector<SavedBench> benches;
    while (rows.executeStep())
        benches.push_back({.key = rows.getColumn(0).getString(),
                           .cause = rows.getColumn(1).getString(),
                           .source = rows.getColumn(2).getString(),
                           .window = rows.getColumn(3).getString(),
                           .until_ms = rows.getColumn(4).getInt64(),
                           .detail = rows.getColumn(5).getString(),
                           .failures = rows.getColumn(6).getInt()});
    return benches;
}

}  // namespace

int migrate(SQLite::Database& database, const std::vector<std::string>& migrations) {
    const int found = database.execAndGet("PRAGMA user_version").getInt();
    for (auto i = static_cast<std::size_t>(found); i < migrations.size(); ++i) {
        SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
        database.exec(migrations[i]);
        database.exec("PRAGMA user_version = " + std::to_string(i + 1));
        transaction.commit();
    }
    return found;
}

Contents read_contents(SQLite::Database& database) {
    return {read_ledger(database), read_benches(database)};
}

Tables::Tables(SQLite::Database& database)
    : database_(database),
      put_bucket_(database,
                  "INSERT OR REPLACE INTO ledger (key, reset, charged, used, until_ms, entries,"
                  " closed_until_ms, limit_source, limit_at_ms, saved_at, learned_limit)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      clear_benches_(database, "DELETE FROM benches"),
      put_bench_(database,
                 "INSERT INTO benches (key, cause, source, window, until_ms, detail, failures)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?)"),
      put_usage_(database,
                 "INSERT INTO usage (second, alias, target, tier, outcome, calls, input_tokens,"
                 " cached_tokens, output_tokens, estimated, cost_usd, ms)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      forget_usage_(database,
                    "DELETE FROM usage WHERE rowid IN"
                    " (SELECT rowid FROM usage WHERE second < ? LIMIT ?)"),
      forget_buckets_(database, "DELETE FROM ledger WHERE saved_at < ?"),
      clear_answers_(database, "DELETE FROM answers"),
      put_answer_(database,
                  "INSERT OR REPLACE INTO answers (key, stored, expires, bytes, served_by, body)"
                  " VALUES (?, ?, ?, ?, ?, ?)"),
      sum_answers_(database,
                   "SELECT COUNT(*), TOTAL(bytes) FROM answers INDEXED BY answers_stored"),
      forget_oldest_answers_(database,
                             "DELETE FROM answers WHERE key IN"
                             " (SELECT key FROM answers ORDER BY stored LIMIT ?)"),
      forget_expired_answers_(database,
                              "DELETE FROM answers WHERE key IN"
                              " (SELECT key FROM answers WHERE expires <= ? LIMIT ?)") {}

void Tables::write(const Batch& batch, std::int64_t now) {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    for (const auto& [key, saved] : batch.ledger) write_bucket(saved, now);
    if (batch.benches) {
        run(clear_benches_);
        for (const SavedBench& bench : *batch.benches) write_bench(bench);
    }
    for (const UsageRow& row : batch.usage) write_usage(row);
    transaction.commit();
}

bool Tables::forget(std::int64_t now) {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    run(forget_buckets_, now - kLedgerDays * kDay);
    const int deleted = run(forget_usage_, now - Store::kDays * kDay, kStep);
    const int expired = run(forget_expired_answers_, now, kStep);
    transaction.commit();
    return deleted == kStep || expired == kStep;
}

void Tables::read_answers(std::int64_t now, const std::function<bool(KeptAnswerPtr)>& take) {
    SQLite::Statement rows(database_,
                           "SELECT key, stored, expires, served_by, body FROM answers"
                           " WHERE expires > ? ORDER BY stored DESC");
    rows.bind(1, now);
    while (rows.executeStep()) {
        auto answer = std::make_shared<KeptAnswer>();
        answer->key = rows.getColumn(0).getString();
        answer->stored = rows.getColumn(1).getInt64();
        answer->expires = rows.getColumn(2).getInt64();
        answer->served_by = rows.getColumn(3).getString();
        answer->body = rows.getColumn(4).getString();
        if (!take(std::move(answer))) return;
    }
}

void Tables::write_bucket(const quota::Saved& saved, std::int64_t now) {
    put_bucket_.tryReset();
    put_bucket_.bind(11);
    if (saved.learned_limit) put_bucket_.bind(11, *saved.learned_limit);
    run(put_bucket_, saved.key, std::string(name(saved.reset)), saved.charged, saved.used,
        saved.until_ms, entries_text(saved), saved.closed_until_ms,
        std::string(name(saved.limit_source)), saved.limit_at_ms, now);
}

void Tables::write_bench(const SavedBench& bench) {
    run(put_bench_, bench.key, bench.cause, bench.source, bench.window, bench.until_ms,
        bench.detail, bench.failures);
}

void Tables::write(const AnswerLog::Changes& answers, std::size_t most_bytes) {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    if (answers.clear) run(clear_answers_);
    for (const KeptAnswerPtr& answer : answers.added) write_answer(*answer);
    bound_answers(most_bytes);
    transaction.commit();
}

void Tables::write_answer(const KeptAnswer& answer) {
    put_answer_.tryReset();
    put_answer_.bind(1, answer.key.data(), static_cast<int>(answer.key.size()));
    put_answer_.bind(2, answer.stored);
    put_answer_.bind(3, answer.expires);
    put_answer_.bind(4, static_cast<std::int64_t>(answer.bytes()));
    put_answer_.bind(5, answer.served_by);
    put_answer_.bind(6, answer.body.data(), static_cast<int>(answer.body.size()));
    put_answer_.exec();
    put_answer_.tryReset();
}

/// Deletes the oldest, an eighth at a time, until the others fit.
void Tables::bound_answers(std::size_t most_bytes) {
    for (;;) {
        sum_answers_.tryReset();
        sum_answers_.executeStep();
        const std::int64_t count = sum_answers_.getColumn(0).getInt64();
        const double bytes = sum_answers_.getColumn(1).getDouble();
        sum_answers_.tryReset();
        const bool fits = count <= static_cast<std::int64_t>(AnswerCache::kMostAnswers) &&
                          bytes <= static_cast<double>(most_bytes);
        if (fits || count == 0) return;
        run(forget_oldest_answers_, count / 8 + 1);
    }
}

void Tables::write_usage(const UsageRow& row) {
    const auto count = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    run(put_usage_, row.second, row.alias, row.target, row.tier, row.outcome, count(row.calls),
        count(row.input_tokens), count(row.cached_tokens), count(row.output_tokens),
        count(row.estimated), row.cost_usd, count(row.ms));
}

}  // namespace store
