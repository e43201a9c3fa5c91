#include "route/rehearsal.h"

#include "base/units.h"
#include "route/rehearsal_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>
#include <vector>

using namespace route;
using namespace std::chrono_literals;
using config::Routing;
using config::Tier;

namespace {

config::Limit limit(std::string metric, std::string window, double most,
                    std::string reset = "rolling", std::string scope = "target") {
    config::Limit one;
    one.metric = std::move(metric);
    one.window = std::move(window);
    one.limit = most;
    one.reset = std::move(reset);
    one.scope = std::move(scope);
    return one;
}

/// A catalog that a test builds target by target.
struct World {
    config::Catalog catalog;

    config::Target& add(const std::string& name, Tier tier, std::vector<config::Limit> limits,
                        std::vector<std::string> chain = {}) {
        config::Target target;
        target.alias = target.id = target.model = name;
        target.account = "account of " + name;
        target.tier = tier;
        target.limits = std::move(limits);
        config::Alias alias;
        alias.name = name;
        alias.targets = {catalog.targets.size()};
        alias.chain = std::move(chain);
        catalog.aliases.push_back(std::move(alias));
        return catalog.targets.emplace_back(std::move(target));
    }

    config::Snapshot with(Routing routing) const {
        auto copy = std::make_shared<config::Catalog>(catalog);
        copy->settings.routing = routing;
        copy->index();
        return copy;
    }
    Report play(const Traffic& traffic, Routing routing = Routing::strict) const {
        return rehearse(with(routing), traffic, 7);
    }
};

Traffic asking(const std::string& alias, double per_day, base::Duration span = 24h,
               std::uint64_t seed = 1) {
    return generate({.per_day = per_day, .span = span, .aliases = {{alias, 1}}, .seed = seed});
}

std::uint64_t all_served(const Report& report) {
    return report.served[0] + report.served[1] + report.served[2] + report.served[3];
}

const LimitReport& about(const Report& report, const std::string& words) {
    const auto found = std::ranges::find_if(
        report.limits, [&](const LimitReport& one) { return one.key.contains(words); });
    EXPECT_NE(found, report.limits.end()) << words;
    return *found;
}

}  // namespace

TEST(RehearsalTraffic, SameSeedSameRequests) {
    const Traffic a = asking("x", 500);
    const Traffic b = asking("x", 500);
    const Traffic other = asking("x", 500, 24h, 2);
    const auto times = [](const Traffic& traffic) {
        std::vector<std::pair<base::WallTime, double>> list;
        for (const Arrival& one : traffic.arrivals) list.emplace_back(one.time, one.prompt_tokens);
        return list;
    };
    EXPECT_EQ(times(a), times(b));
    EXPECT_NE(times(a), times(other));
}

TEST(RehearsalTraffic, HasTheRateTheCurveAndTheMeansAskedFor) {
    const Traffic traffic = asking("x", 5000, 14 * 24h);
    EXPECT_NEAR(static_cast<double>(traffic.arrivals.size()), 70'000, 1'000);
    double prompt = 0, answer = 0, day = 0, night = 0, saturday = 0, friday = 0;
    for (const Arrival& one : traffic.arrivals) {
        prompt += one.prompt_tokens;
        answer += one.answer_tokens;
        const auto since = one.time - traffic.begin;
        const auto hour = since % 24h / 1h;
        (hour >= 9 && hour < 21 ? day : night) += 1;
        const auto weekday = since / 24h % 7;
        if (weekday == 4) friday += 1;
        if (weekday == 5) saturday += 1;
    }
    const auto count = static_cast<double>(traffic.arrivals.size());
    EXPECT_NEAR(prompt / count, 800, 30);
    EXPECT_NEAR(answer / count, 300, 10);
    EXPECT_GT(day, 2 * night);
    EXPECT_NEAR(friday / saturday, 2.4, 0.3);
    EXPECT_TRUE(std::ranges::is_sorted(traffic.arrivals, {}, &Arrival::time));
}

TEST(RehearsalTraffic, ReadsRatesAndSpans) {
    EXPECT_EQ(parse_rate("2000/day"), 2000);
    EXPECT_EQ(parse_rate("100/hour"), 2400);
    EXPECT_EQ(parse_rate("70/week"), 10);
    EXPECT_EQ(parse_rate("12"), 12);
    for (const char* bad : {"", "0/day", "-1/day", "x/day", "5/", "5/fortnight", "nan/day"})
        EXPECT_FALSE(parse_rate(bad)) << bad;
    EXPECT_EQ(parse_span("month"), 30 * 24h);
    EXPECT_EQ(parse_span("12h"), 12h);
    for (const char* bad : {"", "0d", "367d", "year"}) EXPECT_FALSE(parse_span(bad)) << bad;
}

TEST(RehearsalLog, FindsColumnsByName) {
    World world;
    world.add("a", Tier::free, {});
    world.add("b,c", Tier::free, {});
    const auto catalog = world.with(Routing::strict);
    const auto log = read_log(
        "\xEF\xBB\xBFtarget,output_tokens,second,alias,calls,input_tokens\r\n"
        "x,30,1780315200,a,1,100\r\n"
        "\r\n"
        "x,60,1780315100,\"b,c\",2,200\r\n",
        "usage.csv", *catalog);
    ASSERT_TRUE(log) << log.error().detail;
    ASSERT_EQ(log->arrivals.size(), 3u);
    EXPECT_EQ(log->aliases, (std::vector<std::string>{"a", "b,c"}));
    EXPECT_EQ(log->arrivals[0].alias, 1u) << "in order of time";
    EXPECT_EQ(log->arrivals[0].prompt_tokens, 100);
    EXPECT_EQ(log->arrivals[0].answer_tokens, 30);
    EXPECT_EQ(log->begin, *base::utc(2026, 6, 1, 11, 58, 20));
}

TEST(RehearsalLog, ReadsTimesAsTheyAreWritten) {
    World world;
    world.add("a", Tier::free, {});
    const auto catalog = world.with(Routing::strict);
    for (const char* time :
         {"2026-06-01T12:00:00Z", "2026-06-01T12:00:00.000Z", "2026-06-01T20:00:00+08:00",
          "2026-06-01 12:00:00", "1780315200", "1780315200.0", "1780315200000"}) {
        const auto log = read_log(
            std::string("time,alias,prompt_tokens,completion_tokens\n") + time + ",a,1,1\n", "f",
            *catalog);
        ASSERT_TRUE(log) << log.error().detail;
        EXPECT_EQ(log->begin, *base::utc(2026, 6, 1, 12, 0, 0)) << time;
    }
}

TEST(RehearsalLog, SaysWhereAndWhatIsWrong) {
    World world;
    world.add("a", Tier::free, {});
    const auto catalog = world.with(Routing::strict);
    const std::string head = "time,alias,prompt_tokens,completion_tokens\n";
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "f:1: the log has no requests"},
        {head, "f:1: the log has no requests"},
        {"when,alias,prompt_tokens,completion_tokens\n", "f:1: the header has no column `time`"},
        {head + "1780315200,a,1,1\nyesterday,a,1,1\n", "f:3: `yesterday` is no time"},
        {head + "2026-02-30T00:00:00Z,a,1,1\n", "f:2: `2026-02-30T00:00:00Z` is no time"},
        {head + "1780315200,b,1,1\n", "f:2: there is no alias `b`"},
        {head + "1780315200,a,-1,1\n", "f:2: `-1` in column prompt_tokens is no number"},
        {head + "1780315200,a,1,\n", "f:2: `` in column completion_tokens is no number"},
        {head + "1780315200,a,1\n", "f:2: 3 cells where the header has 4"},
    };
    for (const auto& [text, said] : cases) {
        const auto log = read_log(text, "f", *catalog);
        ASSERT_FALSE(log) << text;
        EXPECT_TRUE(log.error().detail.starts_with(said)) << log.error().detail;
    }
}

TEST(Rehearsal, SameSeedSameReport) {
    World world;
    world.add("a", Tier::free, {limit("tokens", "minute", 6000, "token_bucket")}, {"b"});
    world.add("b", Tier::paid, {}).prices.input_cost_per_token = 1e-6;
    const auto facts = [&](const Traffic& traffic) {
        const Report report = world.play(traffic);
        return std::tuple(report.served, report.calls, report.held_back, report.refused,
                          report.cost_usd);
    };
    EXPECT_EQ(facts(asking("a", 3000)), facts(asking("a", 3000)));
    EXPECT_NE(facts(asking("a", 3000)), facts(asking("a", 3000, 24h, 2)));
}

TEST(Rehearsal, FallsToPaidWhenTheDayIsUsedUp) {
    World world;
    world.add("a", Tier::free, {limit("requests", "day", 50, "fixed")}, {"b"});
    config::Target& paid = world.add("b", Tier::paid, {});
    paid.prices.input_cost_per_token = 1e-6;
    const Report report = world.play(asking("a", 400, 48h));
    EXPECT_EQ(report.served_in(Tier::free), 100u);
    EXPECT_EQ(report.served_in(Tier::paid), report.requests - 100);
    EXPECT_EQ(report.refused, 0u);
    EXPECT_EQ(report.held_back, report.served_in(Tier::paid));
    EXPECT_EQ(report.spared, report.held_back);
    EXPECT_GT(report.cost_usd, 0);
    const LimitReport& day = about(report, "requests/day");
    ASSERT_TRUE(day.exhausted_at);
    EXPECT_LT(*day.exhausted_at, *base::utc(2026, 6, 2, 0, 0, 0));
    EXPECT_EQ(day.kept_away, report.spared);
}

TEST(Rehearsal, NobodyIsAskedTooOftenWhateverTheReset) {
    const std::vector<std::vector<config::Limit>> kinds{
        {limit("requests", "minute", 5, "token_bucket")},
        {limit("requests", "minute", 5, "rolling")},
        {limit("requests", "minute", 5, "fixed")},
        {limit("requests", "5h", 100, "first_use")},
        {limit("requests", "month", 1000, "calendar_month")},
        {limit("requests", "", 700, "lifetime")},
        {limit("concurrency", "", 2)},
        {limit("requests", "minute", 5, "rolling"), limit("requests", "hour", 60, "fixed"),
         limit("requests", "day", 300, "token_bucket")}};
    for (const auto& limits : kinds) {
        World world;
        world.add("a", Tier::free, limits, {"b"});
        world.add("b", Tier::local, {});
        const Report report = world.play(asking("a", 4000, 48h));
        EXPECT_EQ(report.refused, 0u) << limits[0].reset;
        EXPECT_GT(report.spared, 0u) << limits[0].reset;
        EXPECT_EQ(all_served(report), report.requests);
        EXPECT_GE(report.spared * 100, report.held_back * 80)
            << limits[0].reset << ": what is held back would nearly always have been refused";
    }
}

TEST(Rehearsal, ReservedTokensAreNeverRefused) {
    World world;
    config::Target& target =
        world.add("a", Tier::free, {limit("tokens", "minute", 12'000, "token_bucket")}, {"b"});
    target.provider = base::Provider::cerebras;
    world.add("b", Tier::local, {});
    Traffic traffic = asking("a", 20'000);
    for (Arrival& one : traffic.arrivals) {
        one.prompt_tokens = 800;
        one.prompt_bytes = 3200;
        one.max_tokens = 1000;
    }
    const Report report = world.play(traffic);
    EXPECT_EQ(report.refused, 0u);
    EXPECT_GT(report.held_back, 1000u);
}

TEST(Rehearsal, AnAdvisoryLimitIsLearnedFromItsFirstRefusal) {
    World world;
    config::Limit advisory = limit("requests", "day", 50, "fixed");
    advisory.advisory = true;
    world.add("a", Tier::free, {advisory}, {"b"});
    world.add("b", Tier::local, {});
    const Report report = world.play(asking("a", 1000));
    EXPECT_GE(report.refused, 1u);
    EXPECT_LE(report.refused, 3u) << "calls under way together";
    EXPECT_EQ(report.served_in(Tier::free), 50u);
    EXPECT_EQ(report.not_served, 0u);
}

TEST(Rehearsal, WithoutAnybodyLeftARequestIsNotServed) {
    World world;
    world.add("a", Tier::free, {limit("requests", "day", 10, "fixed")});
    const Report report = world.play(asking("a", 100));
    EXPECT_EQ(report.served_in(Tier::free), 10u);
    EXPECT_EQ(report.not_served, report.requests - 10);
}

TEST(Rehearsal, APromptThatOverflowsGoesToALargerWindow) {
    World world;
    world.add("a", Tier::free, {}, {"b"}).max_input_tokens = 1000;
    world.add("b", Tier::local, {}).max_input_tokens = 200'000;
    const Report report = world.play(asking("a", 2000));
    EXPECT_GT(report.too_large, 0u);
    EXPECT_EQ(report.refused, 0u);
    EXPECT_EQ(all_served(report), report.requests);
}

TEST(Rehearsal, SpendingWiselyServesMoreFree) {
    World world;
    // All that "group" has beside paid is "scarce", which strict order uses up for "scarce" itself
    // although "plenty" would do.
    world.add("scarce", Tier::free, {limit("requests", "day", 50, "fixed")}, {"plenty", "paid"});
    world.add("plenty", Tier::free, {limit("requests", "day", 14'400, "token_bucket")});
    world.add("paid", Tier::paid, {});
    config::Alias group;
    group.name = "group";
    group.targets = {0};
    group.chain = {"paid"};
    world.catalog.aliases.push_back(group);
    const Traffic traffic = generate(
        {.per_day = 200, .span = 7 * 24h, .aliases = {{"scarce", 3}, {"group", 1}}, .seed = 1});
    const Report strict = world.play(traffic, Routing::strict);
    const Report wise = world.play(traffic, Routing::spend_wisely);
    EXPECT_EQ(strict.requests, wise.requests);
    EXPECT_GT(wise.served_in(Tier::free), strict.served_in(Tier::free) + 100);
}

TEST(Rehearsal, AMonthOfAHundredThousandRequestsTakesSeconds) {
    World world;
    std::vector<std::string> chain;
    for (int i = 1; i < 14; ++i) chain.push_back("m" + std::to_string(i));
    for (int i = 0; i < 14; ++i)
        world.add("m" + std::to_string(i), i == 13 ? Tier::local : Tier::free,
                  {limit("requests", "minute", 5, "rolling"),
                   limit("requests", "day", 100, "token_bucket"),
                   limit("tokens", "minute", 6000, "fixed"),
                   limit("tokens", "day", 200'000, "token_bucket")},
                  i == 0 ? chain : std::vector<std::string>{});
    world.catalog.targets.back().limits.clear();
    const Traffic traffic = asking("m0", 100'000.0 / 30, 30 * 24h);
    const auto began = std::chrono::steady_clock::now();
    const Report report = world.play(traffic);
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(all_served(report), report.requests);
    EXPECT_GT(report.requests, 98'000u);
    EXPECT_LT(took, 60s) << "with sanitizers; an optimised build needs a few";
}
