#include "store/store.h"

#include "store/database.h"
#include "store/test_folder.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

namespace store {
namespace {

using namespace std::chrono_literals;

std::int64_t now_seconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               base::WallClock::now().time_since_epoch())
        .count();
}

UsageRow row(std::int64_t second, const std::string& alias = "llama") {
    return {.second = second,
            .alias = alias,
            .target = "groq/llama-3.1-8b-instant",
            .tier = "free",
            .outcome = "served",
            .input_tokens = 11,
            .cached_tokens = 3,
            .output_tokens = 7,
            .cost_usd = 0.25,
            .ms = 40};
}

quota::Saved bucket(const std::string& key, double used) {
    return {.key = key,
            .reset = quota::Reset::rolling,
            .charged = used + 100,
            .used = used,
            .until_ms = 1'700'000'000'123,
            .entries = {{1'700'000'000'000, 1.5}, {1'700'000'000'500, 2.0}},
            .closed_until_ms = 1'700'000'009'000,
            .learned_limit = 14'400.0,
            .limit_source = quota::Source::header,
            .limit_at_ms = 1'700'000'000'001};
}

SavedBench bench(const std::string& key) {
    return {.key = key,
            .cause = "exhausted",
            .source = "stated",
            .window = "day",
            .until_ms = 1'700'000'060'000,
            .detail = "TPD 100,000",
            .failures = 2};
}

/// What a test's sources hand to the writer thread.
struct Fake {
    std::mutex mutex{};
    std::vector<quota::Saved> ledger{};  ///< handed over once
    std::vector<SavedBench> benches{};   ///< those of now

    Store::Sources sources() {
        return {.ledger =
                    [this] {
                        const std::lock_guard lock(mutex);
                        return std::exchange(ledger, {});
                    },
                .benches =
                    [this] {
                        const std::lock_guard lock(mutex);
                        return benches;
                    }};
    }
    void put(quota::Saved saved) {
        const std::lock_guard lock(mutex);
        ledger.push_back(std::move(saved));
    }
};

std::unique_ptr<Store> open(const TestFolder& folder) {
    auto opened = Store::open(folder.path());
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().detail);
    return opened ? std::move(*opened) : nullptr;
}

/// The one figure that `query` asks for, read beside the running store.
std::int64_t ask(const TestFolder& folder, const std::string& query) {
    SQLite::Database database(folder.file("freeway.db"), SQLite::OPEN_READWRITE, 5'000);
    return database.execAndGet(query).getInt64();
}

TEST(Store, FindsEverythingAgain) {
    const TestFolder folder;
    Fake fake{.ledger = {bucket("a requests/day", 5), bucket("b tokens/minute", 6)},
              .benches = {bench("target"), bench("account")}};
    fake.ledger[1].learned_limit.reset();
    fake.ledger[1].entries.clear();
    fake.ledger[1].reset = quota::Reset::token_bucket;
    const std::int64_t now = now_seconds();
    {
        const auto store = open(folder);
        EXPECT_TRUE(store->ledger().empty());
        EXPECT_TRUE(store->benches().empty());
        store->mark("a requests/day")->charged = 105;
        store->start(fake.sources());
        store->add(row(now));
        store->add(row(now));
        store->stop(5s);
        EXPECT_EQ(store->health().waiting_rows, 0u);
        EXPECT_EQ(store->health().problem, "");
        EXPECT_TRUE(store->health().open);
    }
    const auto store = open(folder);
    EXPECT_EQ(store->mark("a requests/day")->charged, 105);
    auto ledger = store->ledger();
    ASSERT_EQ(ledger.size(), 2u);
    const quota::Saved &a = ledger[0], &b = ledger[1], expected = bucket("a requests/day", 5);
    EXPECT_EQ(a.key, expected.key);
    EXPECT_EQ(a.reset, expected.reset);
    EXPECT_EQ(a.charged, expected.charged);
    EXPECT_EQ(a.used, expected.used);
    EXPECT_EQ(a.until_ms, expected.until_ms);
    EXPECT_EQ(a.entries, expected.entries);
    EXPECT_EQ(a.closed_until_ms, expected.closed_until_ms);
    EXPECT_EQ(a.learned_limit, expected.learned_limit);
    EXPECT_EQ(a.limit_source, expected.limit_source);
    EXPECT_EQ(a.limit_at_ms, expected.limit_at_ms);
    EXPECT_EQ(b.reset, quota::Reset::token_bucket);
    EXPECT_FALSE(b.learned_limit);
    EXPECT_TRUE(b.entries.empty());
    EXPECT_EQ(store->benches(), (std::vector{bench("account"), bench("target")}));
    EXPECT_EQ(ask(folder, "SELECT count(*) FROM usage"), 1);
    EXPECT_EQ(ask(folder,
                  "SELECT calls + input_tokens + cached_tokens + output_tokens + ms"
                  " FROM usage WHERE tier = 'free' AND cost_usd = 0.5"),
              2 + 22 + 6 + 14 + 80);
}

TEST(Store, ReplacesBucketsAndBenches) {
    const TestFolder folder;
    Fake fake{.benches = {bench("target")}};
    const auto store = open(folder);
    store->start(fake.sources());
    fake.put(bucket("a", 1));
    ASSERT_TRUE(eventually([&] { return ask(folder, "SELECT count(*) FROM ledger") == 1; }));
    fake.put(bucket("a", 2));
    {
        const std::lock_guard lock(fake.mutex);
        fake.benches = {};
    }
    ASSERT_TRUE(eventually([&] { return ask(folder, "SELECT count(*) FROM benches") == 0; }));
    ASSERT_TRUE(eventually([&] { return ask(folder, "SELECT sum(used) FROM ledger") == 2; }));
    EXPECT_EQ(ask(folder, "SELECT count(*) FROM ledger"), 1);
}

TEST(Store, WritesNothingWhenNothingChanged) {
    const TestFolder folder;
    Fake fake{.ledger = {bucket("a", 1)}, .benches = {bench("target")}};
    const auto store = open(folder);
    store->start(fake.sources());
    SQLite::Database beside(folder.file("freeway.db"), SQLite::OPEN_READWRITE, 5'000);
    ASSERT_TRUE(
        eventually([&] { return beside.execAndGet("SELECT count(*) FROM ledger").getInt() == 1; }));
    std::this_thread::sleep_for(Store::kTick * 2);
    const int version = beside.execAndGet("PRAGMA data_version").getInt();
    std::this_thread::sleep_for(Store::kTick * 3);
    EXPECT_EQ(beside.execAndGet("PRAGMA data_version").getInt(), version);
    EXPECT_GE(store->health().since_commit, Store::kTick * 2);
}

TEST(Store, ForgetsWhatIsTooOld) {
    const TestFolder folder;
    constexpr std::int64_t kDay = 86'400;
    const std::int64_t now = now_seconds();
    {
        auto opened = Database::open(folder.path());
        ASSERT_TRUE(opened);
        Batch batch;
        for (int i = 0; i < 2'500; ++i)
            batch.usage.push_back(row(now - (Store::kDays + 1) * kDay - i));
        for (int i = 0; i < 10; ++i) batch.usage.push_back(row(now - (Store::kDays - 1) * kDay));
        batch.ledger.emplace("old", bucket("old", 1));
        ASSERT_TRUE(opened->database->write(batch, now - 101 * kDay));
        batch = {};
        batch.ledger.emplace("new", bucket("new", 1));
        ASSERT_TRUE(opened->database->write(batch, now - 99 * kDay));
    }
    const auto store = open(folder);
    store->start({});
    EXPECT_TRUE(eventually([&] { return ask(folder, "SELECT count(*) FROM usage") == 10; }));
    EXPECT_EQ(ask(folder, "SELECT count(*) FROM ledger"), 1);
    EXPECT_EQ(ask(folder, "SELECT count(*) FROM ledger WHERE key = 'new'"), 1);
}

TEST(Store, ServesOneProcessAlone) {
    const TestFolder folder;
    auto first = open(folder);
    const auto second = Store::open(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, base::ErrorKind::refused);
    EXPECT_NE(second.error().detail.find("another freeway serves from"), std::string::npos);
    first.reset();
    EXPECT_TRUE(open(folder));
}

TEST(Store, SaysWhereItCannotWrite) {
    const auto store = Store::open("/dev/null/data");
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().kind, base::ErrorKind::io);
    EXPECT_NE(store.error().detail.find("/dev/null/data can't be created"), std::string::npos);
}

TEST(Store, MayEndWithoutAStart) {
    const TestFolder folder;
    const auto store = open(folder);
    store->add(row(1));
    EXPECT_EQ(store->health().waiting_rows, 1u);
    store->stop(1s);
    store->stop(1s);
}

TEST(Store, TakesRowsOfSeveralThreads) {
    const TestFolder folder;
    constexpr int kEach = 5'000;
    const auto store = open(folder);
    store->start({});
    {
        const auto add = [&store, now = now_seconds()] {
            for (int i = 0; i < kEach; ++i)
                store->add(row(now + i / 100, "a" + std::to_string(i % 7)));
        };
        std::jthread one(add);
        std::jthread other(add);
        for (int i = 0; i < 100; ++i) EXPECT_EQ(store->health().lost_rows, 0u);
    }
    store->stop(5s);
    EXPECT_EQ(ask(folder, "SELECT sum(calls) FROM usage"), 2 * kEach);
}

}  // namespace
}  // namespace store
