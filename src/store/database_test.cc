#include "store/database.h"

#include "store/test_folder.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace store {
namespace {

std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

quota::Saved bucket(const std::string& key) {
    quota::Saved saved;
    saved.key = key;
    saved.charged = 3;
    saved.entries = {{1'000, 3.0}};
    return saved;
}

void fill(const TestFolder& folder, int rows) {
    auto opened = Database::open(folder.path());
    ASSERT_TRUE(opened);
    Batch batch;
    for (int i = 0; i < rows; ++i) {
        batch.usage.emplace_back().second = i;
        batch.ledger.emplace(std::to_string(i), bucket(std::to_string(i)));
    }
    batch.benches = std::vector<SavedBench>(1);
    ASSERT_TRUE(opened->database->write(batch, 1'700'000'000));
}

std::vector<std::string> names(const TestFolder& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
        names.push_back(entry.path().filename());
    return names;
}

TEST(Database, BeginsWithTheNewestSchema) {
    const TestFolder folder;
    {
        ASSERT_TRUE(Database::open(folder.path()));
    }
    SQLite::Database database(folder.file("freeway.db"), SQLite::OPEN_READWRITE);
    EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), Store::kSchema);
    EXPECT_EQ(database.execAndGet("PRAGMA journal_mode").getString(), "wal");
    EXPECT_EQ(kMigrations.size(), static_cast<std::size_t>(Store::kSchema));
}

TEST(Database, MigratesStepByStep) {
    SQLite::Database database(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    EXPECT_EQ(migrate(database, kMigrations), 0);
    database.exec(
        "INSERT INTO ledger VALUES ('k', 'rolling', 1, 0, 0, '[]', 0, NULL, 'header', 0, 0)");
    std::vector<std::string> longer = kMigrations;
    longer.push_back("ALTER TABLE ledger ADD COLUMN note TEXT NOT NULL DEFAULT 'new'");
    EXPECT_EQ(migrate(database, longer), Store::kSchema);
    EXPECT_EQ(migrate(database, longer), Store::kSchema + 1);
    EXPECT_EQ(database.execAndGet("SELECT note FROM ledger").getString(), "new");
    EXPECT_EQ(read_contents(database).ledger.size(), 1u);
}

TEST(Database, KeepsTheOldSchemaWhereAStepFails) {
    SQLite::Database database(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    EXPECT_THROW(
        migrate(database, {kMigrations[0], "CREATE TABLE more (a); CREATE TABLE ledger (a)"}),
        SQLite::Exception);
    EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 1);
    EXPECT_FALSE(database.tableExists("more"));
}

TEST(Database, RefusesANewerSchemaAndLeavesTheFileAlone) {
    const TestFolder folder;
    fill(folder, 3);
    // As a newer process leaves it that was killed: its last commits are in the log beside.
    const pid_t child = in_child([&folder] {
        SQLite::Database newer(folder.file("freeway.db"), SQLite::OPEN_READWRITE);
        newer.exec("CREATE TABLE invented_later (a); PRAGMA user_version = 9");
        ::kill(::getpid(), SIGKILL);
    });
    EXPECT_TRUE(WIFSIGNALED(status_of(child)));
    const std::string before = content(folder.file("freeway.db"));
    const std::string log = content(folder.file("freeway.db-wal"));
    ASSERT_FALSE(log.empty());
    const auto opened = Store::open(folder.path());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, base::ErrorKind::refused);
    EXPECT_EQ(opened.error().detail,
              folder.file("freeway.db") +
                  fmt::format(" was written by a newer freeway (schema 9, this one knows {}): use "
                              "that one, or another --data",
                              Store::kSchema));
    EXPECT_EQ(content(folder.file("freeway.db")), before);
    EXPECT_EQ(content(folder.file("freeway.db-wal")), log);
}

TEST(Database, MovesAsideWhatIsNoDatabase) {
    const TestFolder folder;
    const std::string text =
        "this was never a database, but it is longer than a header is: " + std::string(4'096, '!');
    std::ofstream(folder.file("freeway.db")) << text;
    const auto store = Store::open(folder.path());
    ASSERT_TRUE(store);
    const std::string problem = (*store)->health().problem;
    const auto at = problem.find(folder.file("freeway.db.damaged-"));
    ASSERT_NE(at, std::string::npos) << problem;
    EXPECT_EQ(content(problem.substr(at, problem.find(',') - at)), text);
    EXPECT_TRUE((*store)->ledger().empty());
}

TEST(Database, SavesTheLedgerOutOfADamagedFile) {
    const TestFolder folder;
    fill(folder, 2'000);
    std::string bytes = content(folder.file("freeway.db"));
    // The newest pages are those of the usage table and its index.
    std::int64_t page = 0;
    {
        SQLite::Database database(folder.file("freeway.db"), SQLite::OPEN_READWRITE);
        page = database.execAndGet("SELECT rootpage FROM sqlite_schema WHERE name = 'usage'")
                   .getInt64();
    }
    const auto from = static_cast<std::size_t>((page - 1) * 4'096);
    bytes.replace(from, 4'096, std::string(4'096, 'z'));
    std::ofstream(folder.file("freeway.db"), std::ios::binary | std::ios::trunc) << bytes;
    const auto opened = Database::open(folder.path());
    ASSERT_TRUE(opened);
    EXPECT_FALSE(opened->moved_to.empty());
    EXPECT_EQ(opened->contents.ledger.size(), 2'000u);
    EXPECT_EQ(opened->contents.benches.size(), 1u);
    EXPECT_TRUE(std::filesystem::exists(opened->moved_to));
    SQLite::Database fresh(folder.file("freeway.db"), SQLite::OPEN_READWRITE);
    EXPECT_EQ(fresh.execAndGet("SELECT count(*) FROM ledger").getInt(), 2'000);
    EXPECT_EQ(fresh.execAndGet("SELECT count(*) FROM usage").getInt(), 0);
}

TEST(Database, NeverMovesOneDamagedFileOverAnother) {
    const TestFolder folder;
    for (int i = 0; i < 3; ++i) {
        std::ofstream(folder.file("freeway.db"), std::ios::trunc) << std::string(5'000, 'x');
        std::filesystem::remove(folder.file("freeway.db-wal"));
        ASSERT_TRUE(Database::open(folder.path()));
    }
    const auto all = names(folder);
    EXPECT_EQ(std::ranges::count_if(
                  all, [](const std::string& name) { return name.contains(".damaged-"); }),
              3);
}

TEST(Database, LeavesOutRowsThatMakeNoSense) {
    const TestFolder folder;
    fill(folder, 3);
    {
        SQLite::Database database(folder.file("freeway.db"), SQLite::OPEN_READWRITE);
        database.exec(
            "UPDATE ledger SET reset = 'never heard' WHERE key = '0';"
            "UPDATE ledger SET entries = '[[1,' WHERE key = '1'");
    }
    const auto opened = Database::open(folder.path());
    ASSERT_TRUE(opened);
    ASSERT_EQ(opened->contents.ledger.size(), 1u);
    EXPECT_EQ(opened->contents.ledger[0].key, "2");
}

TEST(Database, SaysWhatCannotBeOpened) {
    const TestFolder folder;
    std::filesystem::create_directory(folder.file("freeway.db"));
    const auto opened = Database::open(folder.path());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, base::ErrorKind::io);
    EXPECT_NE(opened.error().detail.find("freeway.db can't be opened"), std::string::npos);
}

}  // namespace
}  // namespace store
