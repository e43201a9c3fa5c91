#include "route/benches.h"

#include "route/consequences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

using namespace route;
using namespace std::chrono_literals;
using llm::Failure;
using llm::Outcome;
using llm::Scope;
using llm::Window;

namespace {

const base::Time kNow{1000h};

config::Target target(const std::string& id, const std::string& account = "groq:KEY") {
    config::Target result;
    result.id = id;
    result.alias = id;
    result.account = account;
    result.provider = base::Provider::groq;
    return result;
}

Failure about(Outcome outcome, Scope scope = Scope::target) {
    Failure failure;
    failure.outcome = outcome;
    failure.scope = scope;
    return failure;
}

Failure stated(Outcome outcome, base::Duration back_in, Scope scope = Scope::target) {
    Failure failure = about(outcome, scope);
    failure.back_in = back_in;
    return failure;
}

BenchTerms cooldown(base::Duration length) {
    BenchTerms terms;
    terms.cooldown = length;
    return terms;
}

std::optional<base::Duration> left(const Benches& benches, const config::Target& target,
                                   base::Time now) {
    const auto bench = benches.find(target, now);
    if (!bench) return std::nullopt;
    return std::chrono::duration_cast<base::Duration>(bench->until - now);
}

}  // namespace

TEST(Benches, StartEmpty) {
    Benches benches;
    bool probing = true;
    EXPECT_FALSE(benches.find(target("a"), kNow));
    EXPECT_FALSE(benches.admit(target("a"), kNow, probing));
    EXPECT_FALSE(probing);
    EXPECT_FALSE(benches.clear(target("a")));
    EXPECT_TRUE(benches.list(kNow).empty());
}

TEST(Benches, G4StatedReturnIsKeptToTheMillisecond) {
    Benches benches;
    const auto bench =
        benches.failed(target("a"), stated(Outcome::rate_limited, 17'250ms), {}, kNow);
    ASSERT_TRUE(bench);
    EXPECT_EQ(bench->source, Source::stated);
    EXPECT_EQ(bench->until, kNow + 17'250ms);
    EXPECT_TRUE(benches.find(target("a"), kNow + 17'249ms));
    EXPECT_FALSE(benches.find(target("a"), kNow + 17'250ms));
}

TEST(Benches, G4TheLargestOfStatedAndConfiguredWins) {
    Benches benches;
    const auto configured =
        benches.failed(target("a"), stated(Outcome::rate_limited, 5s), cooldown(60s), kNow);
    EXPECT_EQ(configured->source, Source::configured);
    EXPECT_EQ(configured->until, kNow + 60s);
    const auto said =
        benches.failed(target("b"), stated(Outcome::rate_limited, 90s), cooldown(60s), kNow);
    EXPECT_EQ(said->source, Source::stated);
    EXPECT_EQ(said->until, kNow + 90s);
}

TEST(Benches, G4LaterSignalsExtendAndNeverShorten) {
    Benches benches;
    benches.failed(target("a"), stated(Outcome::exhausted, 10h), {}, kNow);
    const auto kept = benches.failed(target("a"), stated(Outcome::rate_limited, 2s), {}, kNow + 1s);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->until, kNow + 10h);
    EXPECT_EQ(kept->cause, Outcome::exhausted);
    EXPECT_EQ(kept->strikes, 2);
    benches.failed(target("a"), about(Outcome::transient), {}, kNow + 2s);
    EXPECT_EQ(left(benches, target("a"), kNow), 10h);
    benches.failed(target("a"), stated(Outcome::exhausted, 11h), {}, kNow + 3s);
    EXPECT_EQ(left(benches, target("a"), kNow + 3s), 11h);
}

TEST(Benches, G6AMinuteIsAMinuteAndADayIsADay) {
    Benches benches;
    Failure minute = about(Outcome::rate_limited);
    minute.window = Window::minute;
    base::Time now = kNow;
    for (int i = 0; i < 12; ++i, now += 61s) {
        benches.failed(target("minute"), minute, {}, now);
        EXPECT_EQ(left(benches, target("minute"), now), 60s) << "after failure " << i;
    }
    Failure day = stated(Outcome::exhausted, 7h + 12min);
    day.window = Window::day;
    benches.failed(target("day"), day, {}, kNow);
    EXPECT_EQ(left(benches, target("day"), kNow), 7h + 12min);
    const auto bench = benches.find(target("day"), kNow);
    EXPECT_EQ(bench->window, Window::day);
    EXPECT_EQ(bench->cause, Outcome::exhausted);
}

TEST(Benches, GuessesDoubleUpToTheirMost) {
    for (const Outcome outcome :
         {Outcome::busy, Outcome::rate_limited, Outcome::exhausted, Outcome::unauthorized,
          Outcome::gone, Outcome::transient, Outcome::timeout}) {
        Benches benches;
        const Consequence& row = consequence(outcome);
        base::Duration expected = row.bench;
        base::Time now = kNow;
        for (int i = 0; i < 40; ++i) {
            const auto bench = benches.failed(target("a"), about(outcome), {}, now);
            ASSERT_TRUE(bench) << llm::name(outcome);
            EXPECT_EQ(bench->source, Source::guessed);
            EXPECT_EQ(bench->until - now, expected) << llm::name(outcome) << ", failure " << i;
            EXPECT_LT(bench->until - now, 24h) << "a guess became a day";
            now = bench->until + 1ms;
            expected = std::min(expected * 2, row.bench_most);
        }
    }
}

TEST(Benches, StrikesOfLongAgoDoNotDoubleAGuess) {
    Benches benches;
    base::Time now = kNow;
    for (int i = 0; i < 4; ++i, now += 61s)
        benches.failed(target("a"), about(Outcome::transient), {}, now);
    now += 6h;
    const auto bench = benches.failed(target("a"), about(Outcome::transient), {}, now);
    EXPECT_EQ(bench->until - now, consequence(Outcome::transient).bench);
}

TEST(Benches, AGuessAboutALocalTargetEndsWithinFiveSeconds) {
    Benches benches;
    config::Target local = target("local", "ollama:127.0.0.1:11434");
    local.tier = config::Tier::local;
    base::Time now = kNow;
    for (int i = 0; i < 10; ++i, now += 10s) {
        benches.failed(local, about(Outcome::transient), {}, now);
        EXPECT_EQ(left(benches, local, now), 5s);
    }
    benches.failed(local, stated(Outcome::busy, 30s), {}, now);
    EXPECT_EQ(left(benches, local, now), 30s) << "what it states itself holds";
    now += 1min;
    benches.failed(local, about(Outcome::gone), {}, now);
    EXPECT_GE(left(benches, local, now), 1min) << "weights do not come by themselves";
}

TEST(Benches, ConfiguredCooldownTakesTheGuessesPlace) {
    Benches benches;
    const auto bench =
        benches.failed(target("a"), about(Outcome::rate_limited), cooldown(7s), kNow);
    EXPECT_EQ(bench->source, Source::configured);
    EXPECT_EQ(bench->until, kNow + 7s);
    EXPECT_EQ(
        benches.failed(target("a"), about(Outcome::rate_limited), cooldown(7s), kNow + 8s)->until,
        kNow + 15s)
        << "it does not double";
}

TEST(Benches, CooldownZeroBenchesOnlyForWhatWasStated) {
    Benches benches;
    EXPECT_FALSE(benches.failed(target("a"), about(Outcome::rate_limited), cooldown(0s), kNow));
    EXPECT_FALSE(benches.find(target("a"), kNow));
    EXPECT_TRUE(benches.failed(target("a"), stated(Outcome::rate_limited, 3s), cooldown(0s), kNow));
    EXPECT_EQ(left(benches, target("a"), kNow), 3s);
}

TEST(Benches, AllowedFailuresAreCountedAndBenchNobody) {
    Benches benches;
    BenchTerms terms;
    terms.allowed_fails = 2;
    bool probing = false;
    for (int i = 0; i < 2; ++i) {
        EXPECT_FALSE(benches.failed(target("a"), about(Outcome::transient), terms,
                                    kNow + base::Duration(i)));
        EXPECT_FALSE(benches.find(target("a"), kNow + base::Duration(i)));
        EXPECT_FALSE(benches.admit(target("a"), kNow + 1s, probing))
            << "what was not set aside is not probed";
        EXPECT_FALSE(probing);
    }
    const auto bench = benches.failed(target("a"), about(Outcome::transient), terms, kNow + 2s);
    ASSERT_TRUE(bench);
    EXPECT_EQ(bench->until, kNow + 2s + consequence(Outcome::transient).bench)
        << "the first guess is not doubled";
}

TEST(Benches, AllowedFailuresStartAnewAfterAServedOne) {
    Benches benches;
    BenchTerms terms;
    terms.allowed_fails = 1;
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(benches.failed(target("a"), about(Outcome::transient), terms,
                                    kNow + base::Duration(i)));
        benches.served(target("a"), kNow + base::Duration(i));
    }
}

TEST(Benches, AllowedFailuresDoNotOutweighWhatTheProviderSaid) {
    BenchTerms terms;
    terms.allowed_fails = 10;
    Benches benches;
    EXPECT_TRUE(benches.failed(target("a"), stated(Outcome::rate_limited, 30s), terms, kNow));
    EXPECT_TRUE(benches.failed(target("b"), about(Outcome::exhausted), terms, kNow));
    Failure minute = about(Outcome::rate_limited);
    minute.window = Window::minute;
    EXPECT_TRUE(benches.failed(target("c"), minute, terms, kNow));
}

TEST(Benches, AnAllowedFailureLeavesABenchInForceAsItIs) {
    Benches benches;
    BenchTerms terms;
    terms.allowed_fails = 10;
    benches.failed(target("a"), stated(Outcome::rate_limited, 1h), terms, kNow);
    const auto bench = benches.failed(target("a"), about(Outcome::transient), terms, kNow + 1s);
    ASSERT_TRUE(bench);
    EXPECT_EQ(bench->until, kNow + 1h);
    EXPECT_EQ(left(benches, target("a"), kNow), 1h);
}

TEST(Benches, ReturnInZeroSecondsIsNotStated) {
    Benches benches;
    const auto bench = benches.failed(target("a"), stated(Outcome::transient, 0s), {}, kNow);
    ASSERT_TRUE(bench);
    EXPECT_EQ(bench->source, Source::guessed);
    EXPECT_EQ(bench->until, kNow + consequence(Outcome::transient).bench);
}

TEST(Benches, FailuresOfTheRequestBenchNobody) {
    Benches benches;
    EXPECT_FALSE(benches.failed(target("a"), stated(Outcome::rate_limited, 60s, Scope::request),
                                cooldown(60s), kNow));
    for (const Outcome outcome :
         {Outcome::too_large, Outcome::context_overflow, Outcome::content_filtered,
          Outcome::bad_request, Outcome::unsupported, Outcome::malformed, Outcome::cancelled,
          Outcome::client_gone, Outcome::served})
        EXPECT_FALSE(benches.failed(target("a"), about(outcome), cooldown(60s), kNow))
            << llm::name(outcome);
    EXPECT_TRUE(benches.list(kNow).empty());
}

TEST(Benches, TheScopeSaysWhoElseIsSetAside) {
    const config::Target one = target("one", "groq:KEY");
    const config::Target same_account = target("two", "groq:KEY");
    const config::Target other_account = target("three", "groq:OTHER");
    Benches benches;
    EXPECT_EQ(benches.failed(one, stated(Outcome::rate_limited, 10s), {}, kNow)->key, "target:one");
    EXPECT_FALSE(benches.find(same_account, kNow));
    EXPECT_EQ(benches.failed(one, stated(Outcome::exhausted, 1h, Scope::account), {}, kNow)->key,
              "account:groq:KEY");
    EXPECT_EQ(left(benches, same_account, kNow), 1h);
    EXPECT_EQ(left(benches, one, kNow), 1h) << "the bench that ends last counts";
    EXPECT_FALSE(benches.find(other_account, kNow));
}

TEST(Benches, APoolSetsAsideItsMembersOfThatAccount) {
    config::Target free_model = target("or-free", "openrouter:KEY");
    free_model.provider = base::Provider::openrouter;
    free_model.model = "qwen/qwen3:free";
    config::Target other_free = free_model;
    other_free.id = "or-free-2";
    config::Target paid_model = free_model;
    paid_model.id = "or-paid";
    paid_model.model = "qwen/qwen3";
    config::Target elsewhere = other_free;
    elsewhere.account = "openrouter:OTHER";
    Failure failure = stated(Outcome::exhausted, 5h, Scope::pool);
    failure.pool = "openrouter-free";

    Benches benches;
    benches.failed(free_model, failure, {}, kNow);
    EXPECT_TRUE(benches.find(other_free, kNow));
    EXPECT_FALSE(benches.find(paid_model, kNow));
    EXPECT_FALSE(benches.find(elsewhere, kNow));

    config::Target by_limit = target("c", "cohere:KEY");
    by_limit.limits.emplace_back().pool = "cohere-trial";
    Failure trial = stated(Outcome::exhausted, 3h, Scope::pool);
    trial.pool = "cohere-trial";
    benches.failed(by_limit, trial, {}, kNow);
    EXPECT_EQ(left(benches, by_limit, kNow), 3h);
}

TEST(Benches, AnAccountWithoutCreditStillServesItsFreeModels) {
    config::Target paid = target("or-paid", "openrouter:KEY");
    paid.provider = base::Provider::openrouter;
    paid.model = "qwen/qwen3";
    config::Target other_paid = paid;
    other_paid.id = "or-paid-2";
    config::Target free_model = paid;
    free_model.id = "or-free";
    free_model.model = "qwen/qwen3:free";
    Failure failure = stated(Outcome::exhausted, 1h, Scope::pool);
    failure.pool = "openrouter-paid";

    Benches benches;
    EXPECT_EQ(benches.failed(paid, failure, {}, kNow)->key, "pool:openrouter-paid@openrouter:KEY");
    EXPECT_TRUE(benches.find(other_paid, kNow));
    EXPECT_FALSE(benches.find(free_model, kNow));
    EXPECT_EQ(benches.failed(free_model, failure, {}, kNow)->key, "account:openrouter:KEY")
        << "below zero the free ones are refused as well";
}

TEST(Benches, AfterAGuessOneAttemptProbes) {
    Benches benches;
    const config::Target a = target("a");
    benches.failed(a, about(Outcome::transient), {}, kNow);
    bool probing = false;
    EXPECT_TRUE(benches.admit(a, kNow + 4s, probing)) << "still benched";
    const base::Time back = kNow + 5s;
    EXPECT_FALSE(benches.admit(a, back, probing));
    EXPECT_TRUE(probing);
    const auto waiting = benches.admit(a, back + 1ms, probing);
    ASSERT_TRUE(waiting);
    EXPECT_FALSE(probing);
    EXPECT_GT(waiting->until, back);
    EXPECT_LE(waiting->until, back + 10s);
    EXPECT_FALSE(benches.admit(a, waiting->until, probing))
        << "a probe that never reports stops counting";
    EXPECT_TRUE(probing);
}

TEST(Benches, AProbeThatServesLetsAllIn) {
    Benches benches;
    const config::Target a = target("a");
    benches.failed(a, about(Outcome::timeout), {}, kNow);
    bool probing = false;
    benches.admit(a, kNow + 5s, probing);
    benches.served(a, kNow + 5s);
    EXPECT_FALSE(benches.admit(a, kNow + 5s, probing));
    EXPECT_FALSE(probing);
    EXPECT_EQ(benches.failed(a, about(Outcome::timeout), {}, kNow + 6s)->strikes, 1)
        << "its strikes are forgotten";
}

TEST(Benches, AProbeThatFailsBenchesLonger) {
    Benches benches;
    const config::Target a = target("a");
    benches.failed(a, about(Outcome::transient), {}, kNow);
    bool probing = false;
    benches.admit(a, kNow + 5s, probing);
    benches.failed(a, about(Outcome::transient), {}, kNow + 6s);
    EXPECT_EQ(left(benches, a, kNow + 6s), 10s);
    EXPECT_FALSE(benches.admit(a, kNow + 16s, probing));
    EXPECT_TRUE(probing) << "and the next probe follows it";
}

TEST(Benches, AReleasedProbeIsTakenByTheNext) {
    Benches benches;
    const config::Target a = target("a");
    benches.failed(a, about(Outcome::transient), {}, kNow);
    bool probing = false;
    benches.admit(a, kNow + 5s, probing);
    benches.release_probe(a);
    EXPECT_FALSE(benches.admit(a, kNow + 5s, probing));
    EXPECT_TRUE(probing);
}

TEST(Benches, AfterAStatedReturnNobodyHasToProbe) {
    Benches benches;
    const config::Target a = target("a");
    benches.failed(a, stated(Outcome::rate_limited, 5s), {}, kNow);
    bool probing = false;
    EXPECT_FALSE(benches.admit(a, kNow + 5s, probing));
    EXPECT_FALSE(probing);
    EXPECT_FALSE(benches.admit(a, kNow + 5s, probing));
}

TEST(Benches, ARefusedProbeLeavesNothingBehind) {
    Benches benches;
    const config::Target a = target("a");
    const config::Target b = target("b");
    benches.failed(a, about(Outcome::transient, Scope::account), {}, kNow);
    benches.failed(b, about(Outcome::transient), {}, kNow);
    const base::Time later = kNow + 6s;
    bool probing = false;
    ASSERT_FALSE(benches.admit(a, later, probing)) << "a probes the account";
    ASSERT_TRUE(benches.admit(b, later, probing)) << "b waits for that probe";
    EXPECT_FALSE(probing);
    benches.served(a, later + 1s);
    EXPECT_FALSE(benches.admit(b, later + 1s, probing))
        << "the account is back: b may be asked at once";
}

TEST(Benches, ServedDoesNotLiftABenchInForce) {
    Benches benches;
    benches.failed(target("a"), stated(Outcome::exhausted, 1h), {}, kNow);
    benches.served(target("a"), kNow + 1s);
    EXPECT_TRUE(benches.find(target("a"), kNow + 2s));
}

TEST(Benches, ServedForgetsEndedBenchesOfOthers) {
    Benches benches;
    benches.failed(target("a"), about(Outcome::transient), {}, kNow);
    benches.served(target("b"), kNow + 10s);
    EXPECT_EQ(benches.failed(target("a"), about(Outcome::transient), {}, kNow + 11s)->strikes, 2);
    benches.served(target("b"), kNow + 1h);
    EXPECT_EQ(benches.failed(target("a"), about(Outcome::transient), {}, kNow + 1h)->strikes, 1);
}

TEST(Benches, ListShowsWhatIsInForce) {
    Benches benches;
    benches.failed(target("a"), stated(Outcome::rate_limited, 5s), {}, kNow);
    Failure failure = stated(Outcome::exhausted, 1h);
    failure.detail = "Daily limit reached";
    benches.failed(target("b"), failure, {}, kNow);
    EXPECT_EQ(benches.list(kNow).size(), 2u);
    const auto later = benches.list(kNow + 6s);
    ASSERT_EQ(later.size(), 1u);
    EXPECT_EQ(later[0].key, "target:b");
    EXPECT_EQ(later[0].detail, "Daily limit reached");
}

TEST(Benches, G6WhatLastsIsPutBackAfterARestart) {
    Benches before;
    before.failed(target("day", "one:KEY"), stated(Outcome::exhausted, 7h), {}, kNow);
    before.failed(target("minute", "two:KEY"), stated(Outcome::rate_limited, 20s), {}, kNow);
    before.failed(target("key", "three:KEY"), about(Outcome::unauthorized, Scope::account), {},
                  kNow);
    for (int i = 0; i < 8; ++i)
        before.failed(target("flaky", "four:KEY"), about(Outcome::transient), {}, kNow);
    const auto saved = before.lasting(kNow);
    EXPECT_EQ(saved.size(), 2u);

    Benches after;
    const base::Time later = kNow + 1min;
    after.restore(saved, later);
    EXPECT_EQ(left(after, target("day", "one:KEY"), later), 7h - 1min);
    EXPECT_TRUE(after.find(target("other", "three:KEY"), later));
    EXPECT_FALSE(after.find(target("minute", "two:KEY"), later));
    EXPECT_FALSE(after.find(target("flaky", "four:KEY"), later));
    after.restore(saved, kNow + 8h);
    EXPECT_EQ(after.list(kNow + 8h).size(), 0u);
}

TEST(Benches, NeverMoreThanTheMost) {
    Benches benches;
    for (std::size_t i = 0; i < Benches::kMost + 10; ++i)
        benches.failed(target("t" + std::to_string(i)),
                       stated(Outcome::exhausted, 1h + base::Duration(i)), {}, kNow);
    EXPECT_EQ(benches.list(kNow).size(), Benches::kMost);
    EXPECT_FALSE(benches.find(target("t0"), kNow)) << "the one that ends first went first";
    EXPECT_TRUE(benches.find(target("t" + std::to_string(Benches::kMost + 9)), kNow));
    benches.failed(target("after"), stated(Outcome::exhausted, 1h), {}, kNow + 2h);
    EXPECT_EQ(benches.list(kNow + 2h).size(), 1u) << "ended ones make room before others";
}

TEST(Benches, AreClearedByTargetAndWhole) {
    Benches benches;
    const config::Target a = target("a", "one:KEY");
    const config::Target b = target("b", "two:KEY");
    benches.failed(a, stated(Outcome::exhausted, 1h, Scope::account), {}, kNow);
    benches.failed(a, stated(Outcome::transient, 1h), {}, kNow);
    benches.failed(b, stated(Outcome::transient, 1h), {}, kNow);
    EXPECT_TRUE(benches.clear(a));
    EXPECT_FALSE(benches.clear(a));
    EXPECT_FALSE(benches.find(a, kNow));
    EXPECT_TRUE(benches.find(b, kNow));
    benches.clear_all();
    EXPECT_FALSE(benches.find(b, kNow));
    EXPECT_EQ(benches.failed(b, about(Outcome::transient), {}, kNow)->strikes, 1);
}
