#include "store/database.h"

#include "base/log.h"

#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

namespace store {

namespace {

namespace fs = std::filesystem;

constexpr int kBusyMs = 1000;
/// Larger files are not read through at start: that would delay the first answer.
constexpr std::uintmax_t kMostChecked = 4 << 20;

constexpr int kReadWrite = SQLITE_OPEN_READWRITE;

bool damaged(const SQLite::Exception& error) {
    const int code = error.getErrorCode() & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

std::string file_of(const std::string& folder) { return folder + "/freeway.db"; }

/// On closing, what stands in the write-ahead log is moved to the file, or left where it is.
enum class OnClose { checkpoint, leave };
void set(SQLite::Database& connection, OnClose on_close) {
    sqlite3_db_config(connection.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                      on_close == OnClose::leave ? 1 : 0, nullptr);
}

/// A commit that never waits for the platter (a power cut may cost the last
/// second, never the file), and a write-ahead log that stays around 2 MiB.
void set_up(SQLite::Database& connection) {
    connection.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "PRAGMA wal_autocheckpoint = 512; PRAGMA journal_size_limit = 4194304");
}

void check(SQLite::Database& connection, const std::string& path) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error || size > kMostChecked) return;
    const std::string verdict = connection.execAndGet("PRAGMA quick_check(1)").getString();
    if (verdict != "ok") throw SQLite::Exception(verdict, SQLITE_CORRUPT);
}

/// What a damaged file still tells; nothing if it can't be read.
Contents salvage(const std::string& path) try {
    SQLite::Database connection(path, kReadWrite, kBusyMs);
    set(connection, OnClose::leave);
    return read_contents(connection);
} catch (const SQLite::Exception&) {
    return {};
}

/// Moves the file and its companions to a name that is free. Empty: the move failed.
std::string move_aside(const std::string& path) {
    auto second =
        std::chrono::duration_cast<std::chrono::seconds>(base::WallClock::now().time_since_epoch())
            .count();
    std::string to;
    do to = path + ".damaged-" + std::to_string(second++);
    while (fs::exists(to));
    std::error_code error;
    fs::rename(path, to, error);
    if (error) return {};
    for (const char* companion : {"-wal", "-shm"}) {
        std::error_code absent;
        fs::rename(path + companion, to + companion, absent);
    }
    return to;
}

base::Error io_error(const std::string& path, const SQLite::Exception& error) {
    const bool full = (error.getErrorCode() & 0xff) == SQLITE_FULL;
    return {base::ErrorKind::io, path + " can't be opened: " + (full ? "disk full" : error.what())};
}

}  // namespace

base::Result<Database::Opened> Database::open_sound(const std::string& path) {
    SQLite::Database connection(path, kReadWrite | SQLITE_OPEN_CREATE, kBusyMs);
    set(connection, OnClose::leave);
    connection.exec("PRAGMA cache_size = -256");  // KiB
    const int schema = connection.execAndGet("PRAGMA user_version").getInt();
    if (schema > Store::kSchema)
        return base::fail(base::ErrorKind::refused,
                          path + " was written by a newer freeway (schema " +
                              std::to_string(schema) + ", this one knows " +
                              std::to_string(Store::kSchema) +
                              "): use that one, or another --data");
    check(connection, path);
    set_up(connection);
    migrate(connection, kMigrations);
    Contents contents = read_contents(connection);
    set(connection, OnClose::checkpoint);
    std::unique_ptr<Database> database(new Database(std::move(connection)));
    return Opened{std::move(database), std::move(contents), {}};
}

base::Result<Database::Opened> Database::open(const std::string& folder) {
    try {
        return open_sound(file_of(folder));
    } catch (const SQLite::Exception& error) {
        if (!damaged(error)) return std::unexpected(io_error(file_of(folder), error));
    }
    return begin_anew(folder);
}

base::Result<Database::Opened> Database::begin_anew(const std::string& folder) {
    const std::string path = file_of(folder);
    const std::string moved_to = move_aside(path);
    if (moved_to.empty())
        return base::fail(base::ErrorKind::io, path + " is damaged and can't be moved aside");
    Contents contents = salvage(moved_to);
    base::log::write(
        base::log::Level::warning, "a damaged database was moved aside, a new one is begun",
        {{"file", path}, {"moved_to", moved_to}, {"limits_kept", contents.ledger.size()}});
    Batch kept;
    for (const quota::Saved& saved : contents.ledger) kept.ledger.emplace(saved.key, saved);
    kept.benches = contents.benches;
    try {
        auto opened = open_sound(path);
        if (!opened) return opened;
        const auto now = std::chrono::duration_cast<std::chrono::seconds>(
            base::WallClock::now().time_since_epoch());
        opened->database->tables_.write(kept, now.count());
        opened->contents = std::move(contents);
        opened->moved_to = moved_to;
        return opened;
    } catch (const SQLite::Exception& error) {
        return std::unexpected(io_error(path, error));
    }
}

std::expected<void, Database::Failure> Database::write(const Batch& batch, std::int64_t now) try {
    tables_.write(batch, now);
    return {};
} catch (const SQLite::Exception& error) {
    return std::unexpected(failure(error));
}

std::expected<bool, Database::Failure> Database::forget(std::int64_t now) try {
    return tables_.forget(now);
} catch (const SQLite::Exception& error) {
    return std::unexpected(failure(error));
}

std::expected<void, Database::Failure> Database::write(const AnswerLog::Changes& answers,
                                                       std::size_t most_bytes) try {
    tables_.write(answers, most_bytes);
    return {};
} catch (const SQLite::Exception& error) {
    return std::unexpected(failure(error));
}

std::expected<void, Database::Failure> Database::read_answers(
    std::int64_t now, const std::function<bool(KeptAnswerPtr)>& take) try {
    tables_.read_answers(now, take);
    return {};
} catch (const SQLite::Exception& error) {
    return std::unexpected(failure(error));
}

Database::Failure Database::failure(const SQLite::Exception& error) const {
    if (damaged(error)) return {"the database is damaged", true};
    switch (error.getErrorCode() & 0xff) {
        case SQLITE_FULL: return {"disk full"};
        case SQLITE_BUSY: return {"another process keeps the database locked"};
        case SQLITE_IOERR:
            return {"disk I/O error: " +
                    std::generic_category().message(sqlite3_system_errno(connection_.getHandle()))};
        default: return {error.what()};
    }
}

}  // namespace store
