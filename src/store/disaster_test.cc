#include "store/database.h"
#include "store/store.h"
#include "store/test_folder.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <random>

/// The store under kill -9, a full disk and one that hangs.
namespace store {
namespace {

using namespace std::chrono_literals;
using base::Clock;

UsageRow row(std::int64_t second, std::size_t padding = 0) {
    UsageRow row;
    row.second = second;
    row.alias = "llama" + std::string(padding, '.');
    row.target = "groq";
    return row;
}

quota::Saved bucket(double charged) {
    quota::Saved saved;
    saved.key = "bucket";
    saved.charged = charged;
    return saved;
}

std::int64_t ask(const TestFolder& folder, const std::string& query) {
    SQLite::Database database(folder.file("freeway.db"), SQLite::OPEN_READWRITE, 5'000);
    return database.execAndGet(query).getInt64();
}

/// What a child that is about to be killed tells its parent, in memory that both share.
struct Told {
    std::int64_t origin = 0;
    std::atomic<std::int64_t> rows;     ///< added so far, of second `origin` and on
    std::atomic<std::int64_t> charged;  ///< on the mark, at least
    std::array<std::atomic<Clock::rep>, 8192> added_at;
};

void serve_until_killed(const TestFolder& folder, Told& told, std::int64_t first) {
    auto store = Store::open(folder.path());
    ASSERT_TRUE(store);
    quota::Mark& mark = *(*store)->mark("bucket");
    (*store)->start(
        {.ledger = [&told] { return std::vector{bucket(static_cast<double>(told.charged))}; },
         .benches = {}});
    for (std::int64_t i = first; static_cast<std::size_t>(i) < told.added_at.size(); ++i) {
        for (int charge = 0; charge < 100; ++charge) {
            mark.charged += 1;
            mark.last_charge += 1;
            told.charged = mark.last_charge;
        }
        (*store)->add(row(told.origin + i));
        told.added_at[static_cast<std::size_t>(i)] = Clock::now().time_since_epoch().count();
        told.rows = i + 1;
        std::this_thread::sleep_for(1ms);
    }
}

/// How many rows had been added before `time`.
std::int64_t rows_before(const Told& told, base::Time time) {
    std::int64_t rows = 0;
    while (rows < told.rows &&
           told.added_at[static_cast<std::size_t>(rows)].load() < time.time_since_epoch().count())
        ++rows;
    return rows;
}

TEST(Disaster, KilledAtAnyMomentItLosesASecondOfRowsAndNoCharge) {
    const TestFolder folder;
    void* memory =
        ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    Told& told = *new (memory) Told{};
    told.origin =
        std::chrono::duration_cast<std::chrono::seconds>(base::WallClock::now().time_since_epoch())
            .count();
    std::minstd_rand random(7);
    for (int round = 0; round < 20; ++round) {
        const std::int64_t first = told.rows;
        const pid_t child = in_child([&] { serve_until_killed(folder, told, first); });
        const base::Duration life(round % 5 == 0 ? 1300
                                                 : std::uniform_int_distribution(1, 300)(random));
        EXPECT_TRUE(eventually([&] { return told.rows > first; }));
        std::this_thread::sleep_for(life);
        const base::Time killed = Clock::now();
        ::kill(child, SIGKILL);
        ASSERT_TRUE(WIFSIGNALED(status_of(child)));

        auto store = Store::open(folder.path());
        ASSERT_TRUE(store) << store.error().detail;
        EXPECT_EQ((*store)->health().problem, "");
        const quota::Mark& mark = *(*store)->mark("bucket");
        EXPECT_GE(mark.charged, static_cast<double>(told.charged.load()));
        EXPECT_LE(mark.charged - static_cast<double>(mark.last_charge), 1);
        for (const quota::Saved& saved : (*store)->ledger()) EXPECT_LE(saved.charged, mark.charged);
        const std::int64_t old = rows_before(told, killed - 1s);
        EXPECT_GE(ask(folder, "SELECT count(*) FROM usage WHERE second >= " +
                                  std::to_string(told.origin + first)),
                  old - first);
        EXPECT_EQ(ask(folder,
                      "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'"),
                  0);
    }
    ::munmap(memory, sizeof(Told));
}

/// Adds `count` rows one by one; the longest that one add() took.
base::Clock::duration slowest_add(Store& store, int count, std::size_t padding) {
    base::Clock::duration slowest{};
    for (int i = 0; i < count; ++i) {
        UsageRow next = row(i, padding);
        const base::Time before = Clock::now();
        store.add(std::move(next));
        slowest = std::max(slowest, Clock::now() - before);
    }
    return slowest;
}

void limit_file_size(rlim_t bytes) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(Disaster, AFullDiskIsSaidAndOutlived) {
    const TestFolder folder;
    const pid_t child = in_child([&folder] {
        ::signal(SIGXFSZ, SIG_IGN);
        std::atomic<int> asked = 0;
        auto opened = Store::open(folder.path());
        ASSERT_TRUE(opened);
        Store& store = **opened;
        store.start({.ledger =
                         [&asked] {
                             const int time = ++asked;
                             return time <= 10 ? std::vector{bucket(time)}
                                               : std::vector<quota::Saved>{};
                         },
                     .benches = {}});
        ASSERT_TRUE(eventually([&] { return ask(folder, "SELECT count(*) FROM ledger") == 1; }));
        limit_file_size(300'000);
        EXPECT_LT(slowest_add(store, 2'000, 500), 100ms);
        ASSERT_TRUE(eventually([&] { return !store.health().problem.empty(); }));
        EXPECT_EQ(store.health().problem, "disk I/O error: File too large");
        EXPECT_LT(slowest_add(store, 2'000, 500), 100ms);
        ASSERT_TRUE(eventually([&] { return asked > 12; }));
        EXPECT_GE(store.health().waiting_rows, 2'000u);
        EXPECT_EQ(store.health().lost_rows, 0u);
        limit_file_size(RLIM_INFINITY);
        ASSERT_TRUE(eventually([&] { return store.health().problem.empty(); }));
        ASSERT_TRUE(eventually([&] { return store.health().waiting_rows == 0; }));
        EXPECT_EQ(ask(folder, "SELECT sum(calls) FROM usage"), 4'000);
        EXPECT_EQ(ask(folder, "SELECT charged FROM ledger"), 10) << "the newest state, unasked";
    });
    EXPECT_EQ(status_of(child), 0);
}

TEST(Disaster, AFullDiskAtStartIsAnError) {
    const TestFolder folder;
    const pid_t child = in_child([&folder] {
        ::signal(SIGXFSZ, SIG_IGN);
        limit_file_size(2'000);
        const auto store = Store::open(folder.path());
        ASSERT_FALSE(store);
        EXPECT_EQ(store.error().kind, base::ErrorKind::io);
        EXPECT_FALSE(store.error().detail.empty());
    });
    EXPECT_EQ(status_of(child), 0);
}

TEST(Disaster, TooManyWaitingRowsAreDroppedAndCounted) {
    const TestFolder folder;
    auto opened = Store::open(folder.path());
    ASSERT_TRUE(opened);
    slowest_add(**opened, static_cast<int>(Store::kMostWaitingRows) + 7, 0);
    EXPECT_EQ((*opened)->health().waiting_rows, Store::kMostWaitingRows);
    EXPECT_EQ((*opened)->health().lost_rows, 7u);
    (*opened)->start({});
    (*opened)->stop(20s);
    EXPECT_EQ((*opened)->health().waiting_rows, 0u);
}

TEST(Disaster, ALockedDatabaseHoldsUpNobody) {
    const TestFolder folder;
    auto opened = Store::open(folder.path());
    ASSERT_TRUE(opened);
    Store& store = **opened;
    store.start({});
    {
        SQLite::Database other(folder.file("freeway.db"), SQLite::OPEN_READWRITE, 5'000);
        SQLite::Transaction lock(other, SQLite::TransactionBehavior::EXCLUSIVE);
        const base::Time until = Clock::now() + 3s;
        base::Clock::duration slowest{};
        bool said = false;
        while (Clock::now() < until) {
            slowest = std::max(slowest, slowest_add(store, 10, 0));
            const Health health = store.health();
            said = said || health.stalled || !health.problem.empty();
            std::this_thread::sleep_for(1ms);
        }
        EXPECT_LT(slowest, 100ms);
        EXPECT_TRUE(said);
        EXPECT_GE(store.health().since_commit, 2s);
    }
    EXPECT_TRUE(eventually([&] { return store.health().problem.empty(); }));
    EXPECT_TRUE(eventually([&] { return store.health().waiting_rows == 0; }));
}

TEST(Disaster, StopLeavesAHungCommitToItself) {
    const TestFolder folder;
    std::atomic<int> asked = 0;
    auto opened = Store::open(folder.path());
    ASSERT_TRUE(opened);
    (*opened)->start({.ledger =
                          [&asked] {
                              ++asked;
                              return std::vector<quota::Saved>{};
                          },
                      .benches = {}});
    {
        SQLite::Database other(folder.file("freeway.db"), SQLite::OPEN_READWRITE, 5'000);
        ASSERT_TRUE(eventually([&] { return asked > 0; }));
        SQLite::Transaction lock(other, SQLite::TransactionBehavior::EXCLUSIVE);
        (*opened)->add(row(1));
        const base::Time before = Clock::now();
        (*opened)->stop(300ms);
        EXPECT_LT(Clock::now() - before, 900ms);
        const int calls = asked;
        opened->reset();
        std::this_thread::sleep_for(400ms);
        EXPECT_EQ(asked, calls) << "the sources may be gone";
    }
    EXPECT_TRUE(eventually([&] { return Store::open(folder.path()).has_value(); }))
        << "the thread ends by itself and gives the folder back";
}

TEST(Disaster, DamageFoundWhileServingBeginsANewFile) {
    const TestFolder folder;
    std::atomic<bool> changed = true;
    auto opened = Store::open(folder.path());
    ASSERT_TRUE(opened);
    Store& store = **opened;
    store.start({.ledger =
                     [&changed] {
                         return changed.exchange(false) ? std::vector{bucket(3)}
                                                        : std::vector<quota::Saved>{};
                     },
                 .benches = [] { return std::vector<SavedBench>(1); }});
    ASSERT_TRUE(eventually([&] { return ask(folder, "SELECT count(*) FROM benches") == 1; }));
    {
        SQLite::Database other(folder.file("freeway.db"), SQLite::OPEN_READWRITE, 5'000);
        other.exec(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'usage'");
        other.exec("PRAGMA schema_version = 77");
    }
    store.add(row(1));
    ASSERT_TRUE(eventually([&] { return store.health().waiting_rows == 0; }));
    EXPECT_NE(store.health().problem.find("freeway.db.damaged-"), std::string::npos);
    EXPECT_TRUE(eventually([&] { return ask(folder, "SELECT count(*) FROM benches") == 1; }));
    EXPECT_EQ(ask(folder, "SELECT count(*) FROM usage"), 1);
}

}  // namespace
}  // namespace store
