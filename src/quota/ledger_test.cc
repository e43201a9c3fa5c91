#include "quota/ledger_testing.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace quota;
using namespace std::chrono_literals;

TEST(Ledger, L4AdmitsExactlyTheLimitAndSaysWhenItReturns) {
    World world;
    world.target("a", {limit("requests", "minute", 3)});
    world.open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(world.call(0)) << i;
    const auto shortage = world.book->shortage(world.at(0), {}, world.now);
    ASSERT_TRUE(shortage);
    EXPECT_EQ(shortage->text(), "requests/minute 3; 3 used; 1 needed; back in 60 s");
    EXPECT_EQ(shortage->cause(), llm::Outcome::rate_limited);
    world.pass(60s + 1ms);
    EXPECT_TRUE(world.call(0));
}

TEST(Ledger, HoldsAllLimitsOrNone) {
    World world;
    world.target("a", {limit("requests", "minute", 10), limit("requests", "day", 1)});
    world.open();
    EXPECT_TRUE(world.call(0));
    EXPECT_FALSE(world.reserve(0));
    EXPECT_EQ(world.line("requests/minute").used, 1);
}

TEST(Ledger, L2WhatWasNeverSentCostsNothing) {
    World world;
    world.target("a", {limit("requests", "minute", 1)});
    world.open();
    for (int i = 0; i < 5; ++i) {
        auto held = world.reserve(0);
        ASSERT_TRUE(held) << i;
        held->unsent();
    }
    EXPECT_EQ(world.line("requests").used, 0);
}

TEST(Ledger, L3AForgottenReservationIsChargedAndHeldNoMore) {
    World world;
    world.target("a", {limit("requests", "day", 5), limit("concurrency", "", 2)});
    world.open();
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(world.reserve(0));
        world.pass(Bucket::kSlotLeaves);
    }
    EXPECT_EQ(world.line("requests").used, 4);
    EXPECT_EQ(world.line("concurrency").used, 0);
    world.pass(Bucket::kLeftWithin);
    EXPECT_EQ(world.line("requests").held, 0);
    EXPECT_EQ(world.line("requests").used, 4);
}

TEST(Ledger, TargetsShareAPoolAndAnAccount) {
    World world;
    for (const char* id : {"a", "b"})
        world.target(id, {limit("requests", "day", 2, "fixed", "pool", "free"),
                          limit("requests", "hour", 50, "rolling", "account")});
    world.open();
    EXPECT_TRUE(world.call(0));
    EXPECT_TRUE(world.call(1));
    EXPECT_FALSE(world.reserve(0));
    EXPECT_FALSE(world.reserve(1));
    const Line pool = world.line("pool:free@groq:KEY");
    EXPECT_EQ(pool.aliases, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(world.line("account:groq:KEY").used, 2);
}

TEST(Ledger, AdvisoryLimitsInformAndNeverBlock) {
    World world;
    config::Limit advice = limit("requests", "minute", 1);
    advice.advisory = true;
    world.target("a", {advice});
    world.open();
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(world.call(0));
    EXPECT_EQ(world.line("requests").used, 4);
    EXPECT_FALSE(world.line("requests").blocks);
}

TEST(Ledger, FailuresCountWhereTheProviderCountsThem) {
    World world;
    config::Limit all = limit("requests", "day", 9);
    all.failures = "all";
    config::Limit none = limit("requests", "hour", 9);
    none.failures = "none";
    world.target("a", {all, none, limit("requests", "minute", 9)});
    world.open();
    auto refused = world.reserve(0);
    refused->fail(true, {}, world.now);
    auto broken = world.reserve(0);
    broken->fail(false, {}, world.now);
    EXPECT_EQ(world.line("requests/day").used, 2);
    EXPECT_EQ(world.line("requests/hour").used, 0);
    EXPECT_EQ(world.line("requests/minute").used, 1);
}

TEST(Ledger, TokensAreHeldByEstimateAndSettledToWhatTheyWere) {
    World world;
    world.target("a", {limit("tokens", "day", 100'000, "token_bucket")});
    world.open();
    auto held = world.reserve(0, {.prompt_bytes = 4000, .max_tokens = 500});
    EXPECT_GE(world.line("tokens").held, 1500) << "Groq takes max_tokens from the bucket at once";
    held->settle({.input_tokens = 1000, .cached_tokens = 400, .output_tokens = 20}, world.now);
    EXPECT_NEAR(world.line("tokens").used, 1020, 1);
    held = world.reserve(0, {.prompt_bytes = 4000, .max_tokens = 500});
    EXPECT_LT(world.line("tokens").held, 1020 + 1000 + 1500) << "bytes a token are learned";
}

TEST(Ledger, CachedTokensAreFreeWhereTheLimitSaysSo) {
    World world;
    config::Limit tokens = limit("tokens", "day", 100'000);
    tokens.cached = false;
    world.target("a", {tokens});
    world.open();
    auto held = world.reserve(0);
    held->settle({.input_tokens = 1000, .cached_tokens = 400, .output_tokens = 20}, world.now);
    EXPECT_NEAR(world.line("tokens").used, 620, 1e-6);
}

TEST(Ledger, ARequestLargerThanALimitNeverFits) {
    World world;
    world.target("a", {limit("tokens", "minute", 6000, "token_bucket")});
    world.open();
    const auto shortage =
        world.book->shortage(world.at(0), {.prompt_bytes = 400'000, .max_tokens = 10}, world.now);
    ASSERT_TRUE(shortage);
    EXPECT_TRUE(shortage->fits_never);
    EXPECT_EQ(shortage->cause(), llm::Outcome::too_large);
    EXPECT_TRUE(
        world.reserve(0, {.prompt_bytes = 100, .max_tokens = 6000}) ||
        world.book->shortage(world.at(0), {.prompt_bytes = 100, .max_tokens = 6000}, world.now)
            ->fits_never);
}

TEST(Ledger, OperatorsActOnTheLiveState) {
    World world;
    world.target("a", {limit("requests", "day", 10)});
    world.open();
    EXPECT_EQ(world.ledger.set("a", {Ledger::Setting::Kind::remaining, 0}, world.now), 1u);
    EXPECT_FALSE(world.reserve(0));
    EXPECT_EQ(world.ledger.set("target:a requests/day", {}, world.now), 1u);
    EXPECT_TRUE(world.reserve(0));
    EXPECT_EQ(world.ledger.set("nobody", {}, world.now), 0u);
}

TEST(Ledger, AReloadKeepsWhatWasUsed) {
    World world;
    world.target("a", {limit("requests", "day", 2)});
    world.open();
    EXPECT_TRUE(world.call(0));
    world.catalog.targets[0].limits[0].limit = 3;
    world.open();
    EXPECT_EQ(world.line("requests").used, 1);
    EXPECT_EQ(world.line("requests").limit, 3);
}

TEST(Ledger, D3ARestartKeepsWhatWasUsedAndWhatWasLearned) {
    std::map<std::string, Mark> marks;
    const auto mark_of = [&](const std::string& key) { return &marks[key]; };
    World first;
    first.ledger.restore({}, mark_of);
    first.target("a", {limit("requests", "day", 10, "fixed")}, base::Provider::openai);
    first.open();
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(first.call(0));
    first.book->learn(
        first.at(0),
        std::vector<llm::Rate>{
            {.metric = Metric::tokens, .window = "minute", .limit = 5000, .remaining = 4000}},
        nullptr, first.now);
    auto saved = first.ledger.changed(first.now);
    ASSERT_TRUE(first.call(0));
    auto under_way = first.reserve(0);

    World second;
    second.now = first.now;
    second.pass(1s);
    std::map<std::string, Mark> left = marks;
    second.ledger.restore(saved, [&](const std::string& key) { return &left[key]; });
    second.target("a", {limit("requests", "day", 10, "fixed")}, base::Provider::openai);
    second.open();
    EXPECT_EQ(second.line("requests/day").used, 6) << "four saved, one marked, one under way";
    EXPECT_EQ(second.line("tokens/minute").limit, 5000);
}

TEST(Ledger, L1ThreadsTogetherNeverTakeMoreThanThereIs) {
    World world;
    world.target("a", {limit("requests", "day", 1000), limit("tokens", "day", 1e9)});
    world.open();
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 600; ++i)
                if (auto held = world.reserve(0)) {
                    if (i % 3 == 0)
                        held->unsent();
                    else
                        held->settle({.input_tokens = 5, .output_tokens = 5}, world.now), ++taken;
                }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(taken.load(), 1000);
    EXPECT_EQ(world.line("requests").held, 0);
}

TEST(Ledger, AllowanceCountsASharedLimitOnce) {
    World world;
    for (const char* id : {"a", "b"})
        world.target(id, {limit("requests", "day", 50, "fixed", "pool", "free")});
    world.target("c", {limit("requests", "minute", 5), limit("tokens", "minute", 100)});
    world.open();
    EXPECT_TRUE(world.call(2));
    const std::vector<const config::Target*> all{&world.at(0), &world.at(1), &world.at(2)};
    const Allowance left = world.book->allowance(all, world.now);
    EXPECT_EQ(left.requests.limit, 55);
    EXPECT_EQ(left.requests.remaining, 54);
    EXPECT_EQ(left.tokens.remaining, 80);
}

TEST(Ledger, OfALimitStatedTwiceTheSmallerHolds) {
    World world;
    world.target("a", {limit("requests", "minute", 2), limit("requests", "minute", 50, "fixed")});
    world.open();
    EXPECT_EQ(world.line("requests").limit, 2);
}

TEST(Ledger, ALimitThatConfigurationDropsDoesNotComeBack) {
    World world;
    world.target("a", {limit("requests", "minute", 2, "rolling", "model")});
    world.open();
    EXPECT_TRUE(world.call(0));
    world.catalog.targets[0].limits.clear();
    world.open();
    EXPECT_TRUE(world.ledger.lines(world.now).empty());
    llm::Rate rate;
    rate.window = "minute";
    rate.limit = 1000;
    rate.remaining = 990;
    world.book->learn(world.at(0), std::vector<llm::Rate>{rate}, nullptr, world.now);
    EXPECT_EQ(world.line("requests").limit, 1000);
}

TEST(Ledger, AMarkWithoutItsSavedStateShutsNoMoreThanTheLimit) {
    Mark mark{.charged = 1e6, .held = std::numeric_limits<double>::infinity(), .last_charge = 0};
    World world;
    world.ledger.restore({}, [&](const std::string&) { return &mark; });
    mark.last_charge =
        std::chrono::duration_cast<std::chrono::milliseconds>(world.now.wall.time_since_epoch())
            .count();
    world.target("a", {limit("requests", "minute", 10)});
    world.open();
    EXPECT_EQ(world.line("requests").used, 10);
    world.pass(61s);
    EXPECT_TRUE(world.reserve(0));
}

TEST(Ledger, WeeksAreAWindow) {
    EXPECT_EQ(span_of("2w"), base::Duration(14 * 24h));
    World world;
    world.target("a", {limit("requests", "1w", 1)});
    world.open();
    EXPECT_TRUE(world.call(0));
    EXPECT_FALSE(world.reserve(0));
}

TEST(Ledger, SeveralCallsOfOneAttemptAreHeldTogetherAndBookedOneByOne) {
    World world;
    world.target("a", {limit("requests", "minute", 10), limit("inputs", "minute", 400),
                       limit("concurrency", "", 1)});
    world.open();
    const Work work{.prompt_bytes = 300, .max_tokens = 0, .inputs = 300, .calls = 4};
    auto held = world.reserve(0, work);
    ASSERT_TRUE(held);
    EXPECT_EQ(world.line("requests").held, 4);
    EXPECT_NEAR(world.line("inputs").held, 300, 1e-6);
    EXPECT_FALSE(world.reserve(0)) << "its slot is taken";
    for (int i = 0; i < 3; ++i) {
        held->counted(world.now);
        held->served({.inputs = 96}, 96, world.now);
        world.pass(Bucket::kSlotLeaves);
        EXPECT_FALSE(world.reserve(0)) << "its slot is still taken";
    }
    EXPECT_EQ(world.line("requests").used, 4);
    held->counted(world.now);
    held->settle({.inputs = 12}, world.now);
    world.pass(Bucket::kSlotLeaves);
    EXPECT_EQ(world.line("requests").held, 0);
    EXPECT_EQ(world.line("requests").used, 4);
    EXPECT_NEAR(world.line("inputs").used, 300, 1e-6);
    EXPECT_TRUE(world.reserve(0));
}

TEST(Ledger, OfSeveralCallsOnlyThoseThatWereMadeCount) {
    World world;
    world.target("a", {limit("requests", "minute", 10), limit("inputs", "minute", 400),
                       limit("concurrency", "", 1)});
    world.open();
    const Work work{.max_tokens = 0, .inputs = 300, .calls = 4};
    using End = void (*)(Reservation&, base::Now);
    const std::pair<End, double> ends[] = {
        {[](Reservation& held, base::Now now) { held.fail(true, {}, now); }, 1},
        {[](Reservation& held, base::Now now) { held.fail(false, {}, now); }, 2},
        {[](Reservation& held, base::Now) { held.unsent(); }, 1},
        {[](Reservation& held, base::Now) { held.lost(); }, 2}};
    for (const auto& [end, requests] : ends) {
        auto held = world.reserve(0, work);
        ASSERT_TRUE(held);
        held->counted(world.now);
        held->served({.inputs = 96}, 0, world.now);
        end(*held, world.now);
        EXPECT_EQ(world.line("requests").used, requests);
        world.pass(Bucket::kLeftWithin);
        EXPECT_EQ(world.line("requests").used, requests);
        EXPECT_NEAR(world.line("requests").held, 0, 1e-9);
        EXPECT_GE(world.line("inputs").used, 96 - 1e-6);
        EXPECT_LE(world.line("inputs").used, 96 + 75 + 1e-6);
        world.pass(std::chrono::minutes(2));
    }
}
