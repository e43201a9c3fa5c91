#include "store/answer_cache.h"

#include "store/database.h"
#include "store/test_folder.h"

#include <gtest/gtest.h>

namespace store {
namespace {

KeptAnswerPtr answer(const std::string& key, std::int64_t stored = 100, std::size_t size = 10,
                     std::int64_t ttl = 60) {
    return std::make_shared<const KeptAnswer>(
        KeptAnswer{key, "alias", std::string(size, 'x'), stored, stored + ttl});
}

TEST(AnswerCache, GivesWhatWasPutUntilItExpires) {
    AnswerCache cache;
    EXPECT_FALSE(cache.find("a", 100, 0));
    ASSERT_TRUE(cache.put(answer("a")));
    ASSERT_TRUE(cache.find("a", 159, 0));
    EXPECT_EQ(cache.find("a", 159, 0)->served_by, "alias");
    EXPECT_FALSE(cache.find("a", 160, 0)) << "its time is over";
    const auto counts = cache.counts();
    EXPECT_EQ(counts.answers, 0u);
    EXPECT_EQ(counts.bytes, 0u);
    EXPECT_EQ(counts.hits, 2u);
    EXPECT_EQ(counts.misses, 2u);
}

TEST(AnswerCache, AnAnswerTooOldForOneIsKeptForOthers) {
    AnswerCache cache;
    cache.put(answer("a", 100));
    EXPECT_FALSE(cache.find("a", 130, 101));
    EXPECT_TRUE(cache.find("a", 130, 100));
}

TEST(AnswerCache, ANewAnswerTakesThePlaceOfTheOld) {
    AnswerCache cache;
    cache.put(answer("a", 100, 10));
    cache.put(answer("a", 110, 1000));
    EXPECT_EQ(cache.find("a", 120, 0)->stored, 110);
    EXPECT_EQ(cache.counts().answers, 1u);
    EXPECT_EQ(cache.counts().bytes, answer("a", 110, 1000)->bytes());
}

TEST(AnswerCache, WhatWasNotUsedForLongestGoesFirst) {
    AnswerCache cache;
    cache.set_most_bytes(3 * answer("a")->bytes());
    for (const char* key : {"a", "b", "c"}) cache.put(answer(key));
    EXPECT_TRUE(cache.find("a", 110, 0));
    cache.put(answer("d"));
    EXPECT_TRUE(cache.find("a", 110, 0));
    EXPECT_FALSE(cache.find("b", 110, 0));
    EXPECT_TRUE(cache.find("d", 110, 0));
    EXPECT_EQ(cache.counts().evicted, 1u);
    EXPECT_LE(cache.counts().bytes, cache.counts().most_bytes);
    cache.set_most_bytes(answer("a")->bytes());
    EXPECT_EQ(cache.counts().answers, 1u);
    EXPECT_TRUE(cache.find("d", 110, 0));
}

TEST(AnswerCache, AHugeAnswerIsNotKept) {
    AnswerCache cache;
    EXPECT_FALSE(cache.put(answer("a", 100, AnswerCache::kMostBytesEach)));
    EXPECT_EQ(cache.counts().answers, 0u);
}

TEST(AnswerCache, RestoresOlderAnswersBehindNewerOnesWhileThereIsRoom) {
    AnswerCache cache;
    cache.set_most_bytes(2 * answer("a")->bytes());
    cache.put(answer("a", 200));
    EXPECT_TRUE(cache.restore(answer("a", 100), 210)) << "the newer one stays";
    EXPECT_EQ(cache.find("a", 210, 0)->stored, 200);
    EXPECT_TRUE(cache.restore(answer("old", 100), 210)) << "expired";
    EXPECT_TRUE(cache.restore(answer("b", 190), 210));
    EXPECT_FALSE(cache.restore(answer("c", 180), 210));
    EXPECT_EQ(cache.counts().answers, 2u);
}

TEST(AnswerCache, WhatWasClearedDoesNotComeBackFromTheDisk) {
    AnswerCache cache;
    cache.put(answer("a"));
    cache.clear();
    EXPECT_FALSE(cache.find("a", 110, 0));
    EXPECT_FALSE(cache.restore(answer("b"), 110));
    EXPECT_EQ(cache.counts().bytes, 0u);
}

TEST(AnswerLog, TakesNoMoreThanItsBound) {
    AnswerLog log;
    const auto big = answer("a", 100, 3u << 20);
    for (int i = 0; i < 10; ++i) log.add(big);
    EXPECT_EQ(log.take().added.size(), AnswerLog::kMostWaitingBytes / big->bytes());
    log.add(big);
    log.clear();
    const auto changes = log.take();
    EXPECT_TRUE(changes.clear);
    EXPECT_TRUE(changes.added.empty());
}

std::vector<std::string> kept_keys(Database& database, std::int64_t now) {
    std::vector<std::string> keys;
    EXPECT_TRUE(database.read_answers(now, [&](KeptAnswerPtr one) {
        keys.push_back(one->key);
        return true;
    }));
    return keys;
}

TEST(Database, KeepsAnswersNewestFirstAndForgetsExpiredOnes) {
    const TestFolder folder;
    const auto database = std::move(Database::open(folder.path())->database);
    const std::string key("\0\xff\"k", 4);
    ASSERT_TRUE(database->write({.added = {answer("a", 100), answer(key, 120)}}, 1u << 20));
    EXPECT_EQ(kept_keys(*database, 130), (std::vector<std::string>{key, "a"}));
    EXPECT_EQ(kept_keys(*database, 160), std::vector<std::string>{key});
    ASSERT_TRUE(database->forget(160));
    EXPECT_EQ(kept_keys(*database, 0), std::vector<std::string>{key});
    ASSERT_TRUE(database->write({.clear = true, .added = {answer("b", 100)}}, 1u << 20));
    EXPECT_EQ(kept_keys(*database, 0), std::vector<std::string>{"b"});
}

TEST(Database, TheOldestAnswersMakeRoom) {
    const TestFolder folder;
    const auto database = std::move(Database::open(folder.path())->database);
    AnswerLog::Changes changes;
    for (int i = 0; i < 20; ++i)
        changes.added.push_back(answer("k" + std::to_string(i), 100 + i, 1000));
    const std::size_t most = 10 * changes.added.front()->bytes() + 20;
    ASSERT_TRUE(database->write(changes, most));
    const auto keys = kept_keys(*database, 0);
    EXPECT_LE(keys.size(), 10u);
    EXPECT_GE(keys.size(), 7u);
    EXPECT_EQ(keys.front(), "k19");
}

TEST(Database, D2AnswersFindTheirTableInAnOlderFile) {
    const TestFolder folder;
    {
        SQLite::Database old(folder.file("freeway.db"),
                             SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        migrate(old, {kMigrations[0]});
    }
    const auto opened = Database::open(folder.path());
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->database->write({.added = {answer("a")}}, 1u << 20));
    EXPECT_EQ(kept_keys(*opened->database, 0), std::vector<std::string>{"a"});
}

TEST(Store, D3AnswersOutliveIt) {
    const TestFolder folder;
    {
        auto store = std::move(*Store::open(folder.path()));
        store->set_most_answer_bytes(1u << 20);
        store->start({});
        store->add(std::make_shared<const KeptAnswer>(
            KeptAnswer{"a", "alias", "body", 100, std::int64_t{1} << 40}));
        store->stop(std::chrono::seconds(5));
    }
    auto store = std::move(*Store::open(folder.path()));
    std::mutex mutex;
    std::vector<std::string> bodies;
    store->start({.ledger = {}, .benches = {}, .restore = [&](KeptAnswerPtr one) {
                      const std::lock_guard lock(mutex);
                      bodies.push_back(one->body);
                      return true;
                  }});
    EXPECT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex);
        return bodies == std::vector<std::string>{"body"};
    }));
    store->stop(std::chrono::seconds(5));
}

}  // namespace
}  // namespace store
