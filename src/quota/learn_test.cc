#include "quota/ledger_testing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace quota;
using namespace std::chrono_literals;

namespace {

llm::Failure refusal(llm::Rate rate, llm::Outcome outcome = llm::Outcome::rate_limited) {
    llm::Failure failure;
    failure.outcome = outcome;
    failure.status = 429;
    rate.refused = true;
    failure.rate = std::move(rate);
    return failure;
}

}  // namespace

TEST(Learn, AHeaderCorrectsItsOwnBucketOnly) {
    World world;
    world.target("a", {limit("requests", "day", 1000, "token_bucket"),
                       limit("requests", "minute", 30, "token_bucket"),
                       limit("tokens", "minute", 6000, "token_bucket")});
    world.open();
    const std::vector<llm::Rate> said{
        {.metric = Metric::requests, .window = "day", .limit = 1000, .remaining = 0}};
    world.book->learn(world.at(0), said, nullptr, world.now);
    const auto shortage = world.book->shortage(world.at(0), {}, world.now);
    ASSERT_TRUE(shortage);
    EXPECT_EQ(shortage->window, "day");
    EXPECT_EQ(world.line("requests/minute").used, 0);
    EXPECT_EQ(world.line("tokens/minute").used, 0);
}

TEST(Learn, AConfiguredCeilingIsOnlyEverLowered) {
    World world;
    world.target("a", {limit("requests", "day", 100, "token_bucket")});
    world.open();
    world.book->learn(
        world.at(0),
        std::vector<llm::Rate>{
            {.metric = Metric::requests, .window = "day", .limit = 5000, .remaining = 4990}},
        nullptr, world.now);
    EXPECT_EQ(world.line("day").limit, 100);
    EXPECT_NEAR(*world.line("day").remaining, 90, 1e-6);
    world.book->learn(
        world.at(0),
        std::vector<llm::Rate>{
            {.metric = Metric::requests, .window = "day", .limit = 50, .remaining = 40}},
        nullptr, world.now);
    EXPECT_EQ(world.line("day").limit, 50);
    EXPECT_EQ(world.line("day").limit_source, Source::header);
}

TEST(Learn, ADayRefusalClosesTheDayAndAMinuteRefusalTheMinute) {
    World world;
    world.target("a", {limit("tokens", "day", 100'000, "token_bucket"),
                       limit("tokens", "minute", 6000, "token_bucket")});
    world.open();
    world.book->refused(
        world.at(0),
        refusal({.metric = Metric::tokens, .window = "day", .limit = 100'000, .used = 99'900}),
        world.now);
    auto shortage = world.book->shortage(world.at(0), {.prompt_bytes = 1000}, world.now);
    ASSERT_TRUE(shortage);
    EXPECT_EQ(shortage->window, "day");
    EXPECT_NEAR(*world.line("tokens/minute").remaining, 6000, 1e-6);

    world.ledger.set("all", {}, world.now);
    llm::Failure minute = refusal({.metric = Metric::tokens, .window = "minute"});
    minute.back_in = 20s;
    world.book->refused(world.at(0), minute, world.now);
    shortage = world.book->shortage(world.at(0), {}, world.now);
    ASSERT_TRUE(shortage);
    EXPECT_EQ(shortage->window, "minute");
    EXPECT_LE(*shortage->back_in, 20s);
    EXPECT_NEAR(*world.line("tokens/day").remaining, 100'000, 1e-6);
}

TEST(Learn, APoolRefusalKeepsOutEveryMember) {
    World world;
    for (const char* id : {"a", "b"})
        world.target(id, {limit("requests", "day", 50, "fixed", "pool", "openrouter-free")},
                     base::Provider::openrouter);
    world.open();
    llm::Failure failure =
        refusal({.metric = Metric::requests, .window = "day", .pool = "openrouter-free"},
                llm::Outcome::exhausted);
    failure.back_in = 3h;
    world.book->refused(world.at(0), failure, world.now);
    const auto shortage = world.book->shortage(world.at(1), {}, world.now);
    ASSERT_TRUE(shortage);
    EXPECT_EQ(shortage->cause(), llm::Outcome::exhausted);
    EXPECT_GE(*shortage->back_in, 2h);
}

TEST(Learn, AnUnknownLimitIsFoundBetweenWhatWentWellAndWhatDidNot) {
    World world;
    world.target("a", {limit("requests", "minute", std::nullopt, "rolling")},
                 base::Provider::mistral);
    world.open();
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(world.call(0));
    llm::Failure bare;
    bare.outcome = llm::Outcome::rate_limited;
    bare.status = 429;
    auto held = world.reserve(0);
    held->fail(true, {}, world.now);
    world.book->refused(world.at(0), bare, world.now);
    EXPECT_EQ(world.line("requests").limit, 7);
    EXPECT_EQ(world.line("requests").limit_source, Source::discovered);
    EXPECT_FALSE(world.reserve(0)) << "known before asking";
    world.pass(61s);
    EXPECT_TRUE(world.reserve(0));
    world.pass(7h);
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(world.call(0)) << "tried a little higher after hours";
}

TEST(Learn, AWildcardTargetIsManyModels) {
    World world;
    world.target("a", {});
    world.catalog.targets[0].model = "*";
    world.open();
    llm::Rate rate;
    rate.window = "day";
    rate.limit = 1000;
    rate.remaining = 0;
    world.book->learn(world.at(0), std::vector<llm::Rate>{rate}, nullptr, world.now);
    EXPECT_TRUE(world.reserve(0)) << "what one model has left says nothing of the others";
}
