#pragma once

#include "base/result.h"
#include "store/tables.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace store {

/// DATA/freeway.db, open and of the newest schema. One thread at a time.
class Database {
public:
    /// What open() has to say besides the database.
    struct Opened {
        std::unique_ptr<Database> database;
        Contents contents;
        std::string moved_to;  ///< a damaged file was moved there; empty: none
    };
    /// Opens or creates. A damaged file is moved aside to `freeway.db.damaged-EPOCH_SECONDS`, and
    /// a new one begins with what of ledger and benches could still be read. Errors: `refused` for
    /// a newer schema (the file stays as it is), `io`.
    static base::Result<Opened> open(const std::string& folder);
    /// The same for a file that turned out to be damaged; no Database of that folder may be left.
    static base::Result<Opened> begin_anew(const std::string& folder);

    /// Why a write failed. Nothing of it was written.
    struct Failure {
        std::string text;
        bool damaged = false;  ///< only begin_anew() helps
    };
    /// All of it or nothing. `now`: epoch seconds.
    std::expected<void, Failure> write(const Batch& batch, std::int64_t now);
    /// Deletes some of what is too old. True: there may be more.
    std::expected<bool, Failure> forget(std::int64_t now);
    std::expected<void, Failure> write(const AnswerLog::Changes& answers, std::size_t most_bytes);
    /// Gives the kept answers, newest first, until `take` says false.
    std::expected<void, Failure> read_answers(std::int64_t now,
                                              const std::function<bool(KeptAnswerPtr)>& take);

private:
    explicit Database(SQLite::Database connection)
        : connection_(std::move(connection)), tables_(connection_) {}
    /// Throws SQLite::Exception, with a damaged file's code too.
    static base::Result<Opened> open_sound(const std::string& path);
    Failure failure(const SQLite::Exception& error) const;

    SQLite::Database connection_;
    Tables tables_;
};

}  // namespace store
