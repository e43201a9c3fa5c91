#include "quota/bucket.h"

#include <gtest/gtest.h>

#include <cmath>

namespace quota {
namespace {

using namespace std::chrono_literals;
using base::Now;
using base::Time;

Now at(base::Duration after) {
    const base::WallTime start = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23) + 10h;
    return {Time(5000s) + after, start + after};
}

Rule rule(Reset reset, base::Duration span, std::optional<double> limit) {
    Rule out;
    out.reset = reset;
    out.span = span;
    out.limit = limit;
    return out;
}

Hold call(Bucket& bucket, double amount, base::Duration when) {
    const Hold hold = bucket.hold(amount, at(when));
    bucket.charge(hold, at(when));
    return hold;
}

TEST(Bucket, HoldsCountUntilTheyAreRefunded) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 10));
    const Hold hold = bucket.hold(4, at(0s));
    EXPECT_EQ(bucket.available(at(0s)), 6);
    EXPECT_EQ(bucket.held(), 4);
    bucket.refund(hold);
    EXPECT_EQ(bucket.available(at(0s)), 10);
    EXPECT_EQ(bucket.held(), 0);
    EXPECT_EQ(bucket.charged(), 0);
}

TEST(Bucket, ASlowCallIsChargedTwoSecondsAfterItsStart) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 10));
    const Hold hold = bucket.hold(4, at(0s));
    EXPECT_EQ(bucket.available(at(30s)), 6);
    EXPECT_EQ(bucket.held(), 0);
    bucket.settle(hold, 3, at(31s));
    EXPECT_EQ(bucket.available(at(31s)), 7);
    EXPECT_EQ(bucket.available(at(61'999ms)), 7);
    EXPECT_EQ(bucket.available(at(62s)), 10);
}

TEST(Bucket, AChargedCallThatDidNotCountGivesItAllBack) {
    for (const Reset reset :
         {Reset::token_bucket, Reset::rolling, Reset::fixed, Reset::first_use, Reset::lifetime}) {
        Bucket bucket("x", rule(reset, 1h, 10));
        const Hold hold = call(bucket, 4, 0s);
        bucket.refund(hold);
        EXPECT_EQ(bucket.available(at(0s)), 10) << name(reset);
    }
}

TEST(Bucket, WhatRefilledMeanwhileIsNotGivenBackAgain) {
    Bucket bucket("x", rule(Reset::token_bucket, 60s, 60));
    const Hold slow = call(bucket, 30, 0s);
    call(bucket, 60, 40s);
    bucket.settle(slow, 1, at(40s));
    EXPECT_EQ(bucket.available(at(40s)), 0);
}

TEST(Bucket, MoreThanWasHeldIsChargedWhenItIsKnown) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 100));
    const Hold hold = call(bucket, 10, 0s);
    bucket.settle(hold, 25, at(10s));
    EXPECT_EQ(bucket.available(at(10s)), 75);
    EXPECT_EQ(bucket.available(at(60s)), 85);
    EXPECT_EQ(bucket.available(at(70s)), 100);
}

TEST(Bucket, ConcurrencyIsHeldAsLongAsTheCallLasts) {
    Rule one = rule(Reset::lifetime, 0s, 2);
    one.metric = Metric::concurrency;
    Bucket bucket("x", one);
    const Hold hold = bucket.hold(1, at(0s));
    bucket.charge(hold, at(1s));
    EXPECT_EQ(bucket.available(at(1h)), 1);
    EXPECT_EQ(bucket.charged(), 0);
    bucket.settle(hold, 0, at(1h));
    EXPECT_EQ(bucket.available(at(1h)), 1) << "the provider may still hold the slot";
    EXPECT_EQ(bucket.earliest(2, at(1h)), Bucket::kSlotLeaves);
    EXPECT_EQ(bucket.available(at(1h + Bucket::kSlotLeaves)), 2);
}

TEST(Bucket, UtilizationMovesByHeadersAlone) {
    Rule one = rule(Reset::first_use, 5h, 1);
    one.metric = Metric::utilization;
    Bucket bucket("x", one);
    const Hold hold = bucket.hold(0, at(0s));
    bucket.charge(hold, at(1s));
    bucket.learn({.limit = {}, .remaining = {}, .used = 0.3, .reset_in = base::Duration(1h)}, &hold,
                 at(1s));
    bucket.settle(hold, 0, at(1s));
    EXPECT_NEAR(bucket.available(at(2s)), 0.7, 1e-9);
    EXPECT_EQ(bucket.earliest(0.8, at(2s)), base::Duration(1h - 1s));
    EXPECT_EQ(bucket.available(at(2h)), 1);
}

TEST(Bucket, AnUnknownLimitCountsAndHoldsAtOnceWhenLearned) {
    for (const Reset reset : {Reset::token_bucket, Reset::rolling, Reset::fixed}) {
        Bucket bucket("x", rule(reset, 60s, std::nullopt));
        for (int i = 0; i < 5; ++i) call(bucket, 1, 0s);
        EXPECT_TRUE(std::isinf(bucket.available(at(0s))));
        EXPECT_FALSE(bucket.blocks());
        bucket.learn({.limit = 8, .remaining = {}, .used = {}, .reset_in = {}}, nullptr, at(0s));
        EXPECT_TRUE(bucket.blocks());
        EXPECT_EQ(bucket.available(at(0s)), 3) << name(reset);
        EXPECT_EQ(bucket.limit_source(), Source::header);
    }
}

TEST(Bucket, AConfiguredCeilingIsOnlyLowered) {
    Bucket bucket("x", rule(Reset::fixed, 1h, 100));
    bucket.learn({.limit = 500, .remaining = {}, .used = {}, .reset_in = {}}, nullptr, at(0s));
    EXPECT_EQ(bucket.limit(), 100);
    EXPECT_EQ(bucket.limit_source(), Source::configured);
    bucket.learn({.limit = 40, .remaining = {}, .used = {}, .reset_in = {}}, nullptr, at(0s));
    EXPECT_EQ(bucket.limit(), 40);
    bucket.learn(
        {.limit = 60, .remaining = {}, .used = {}, .reset_in = {}, .source = Source::refusal},
        nullptr, at(0s));
    EXPECT_EQ(bucket.limit(), 40);
}

TEST(Bucket, AnAdvisoryLimitBlocksOnceConfirmed) {
    Rule one = rule(Reset::fixed, 1h, 100);
    one.advisory = true;
    Bucket bucket("x", one);
    EXPECT_FALSE(bucket.blocks());
    bucket.learn({.limit = 120, .remaining = 20, .used = {}, .reset_in = {}}, nullptr, at(0s));
    EXPECT_TRUE(bucket.blocks());
    EXPECT_EQ(bucket.available(at(0s)), 20);
}

TEST(Bucket, FiguresThatAgreeWithSomeOrderOfTheCallsChangeNothing) {
    Bucket bucket("x", rule(Reset::fixed, 1h, 100));
    const Hold first = bucket.hold(1, at(0s));
    const Hold second = bucket.hold(1, at(0s));
    bucket.learn({.limit = {}, .remaining = 98, .used = {}, .reset_in = {}}, &first, at(1s));
    EXPECT_EQ(bucket.available(at(1s)), 98);
    bucket.learn({.limit = {}, .remaining = 99, .used = {}, .reset_in = {}}, &second, at(1s));
    EXPECT_EQ(bucket.available(at(1s)), 98);
    bucket.learn({.limit = {}, .remaining = 50, .used = {}, .reset_in = {}}, &second, at(1s));
    EXPECT_EQ(bucket.available(at(1s)), 50);
}

TEST(Bucket, AClosedBucketOpensWhenItWasSaid) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 10));
    bucket.close(30s, Source::refusal, at(0s));
    bucket.close(10s, Source::refusal, at(1s));
    EXPECT_EQ(bucket.earliest(1, at(1s)), 29s);
    EXPECT_EQ(bucket.whole_in(at(1s)), 29s);
    EXPECT_EQ(bucket.available(at(29'999ms)), 0);
    EXPECT_EQ(bucket.available(at(30s)), 10);
    bucket.close(30s, Source::refusal, at(40s));
    bucket.set_used(3, at(41s));
    EXPECT_EQ(bucket.available(at(41s)), 7);
}

TEST(Bucket, ALearnedEndTakesThePlaceOfTheClocks) {
    Bucket bucket("x", rule(Reset::fixed, 1h, 10));
    call(bucket, 10, 50min);
    bucket.learn({.limit = {}, .remaining = {}, .used = {}, .reset_in = base::Duration(8min)},
                 nullptr, at(50min));
    EXPECT_EQ(bucket.available(at(58min - 1ms)), 0);
    EXPECT_EQ(bucket.available(at(58min)), 10);
    call(bucket, 10, 59min);
    EXPECT_EQ(bucket.available(at(61min)), 0);
}

TEST(Bucket, AClockThatIsSetBackNeverResets) {
    Bucket bucket("x", rule(Reset::fixed, 1h, 10));
    call(bucket, 7, 30min);
    for (const base::Duration back : {base::Duration(1s), base::Duration(2h)}) {
        Now now = at(31min);
        now.wall -= back;
        EXPECT_EQ(bucket.available(now), 3);
    }
    EXPECT_EQ(bucket.available(at(60min)), 10);
}

TEST(Bucket, AReloadKeepsWhatIsUsed) {
    for (const Reset reset :
         {Reset::token_bucket, Reset::rolling, Reset::fixed, Reset::first_use, Reset::lifetime}) {
        Bucket bucket("x", rule(reset, 1h, 100));
        call(bucket, 30, 0s);
        bucket.replace(rule(reset, 2h, 50), at(0s));
        EXPECT_EQ(bucket.available(at(0s)), 20) << name(reset);
        bucket.replace(rule(Reset::fixed, 1h, 50), at(0s));
        EXPECT_EQ(bucket.available(at(0s)), 20) << name(reset);
    }
}

TEST(Bucket, AnotherResetKindTakesOverWhatWasUsed) {
    Bucket before("x", rule(Reset::rolling, 1h, 100));
    call(before, 30, 0s);
    Bucket after("x", rule(Reset::token_bucket, 1h, 100));
    after.restore(before.save(at(1s)), nullptr, at(2s));
    EXPECT_NEAR(after.available(at(2s)), 70, 1e-9);
}

TEST(Bucket, AMarkTellsWhatWasNotSaved) {
    Bucket before("x", rule(Reset::fixed, 1h, 100));
    Mark mark;
    before.attach(&mark);
    const Saved saved = before.save(at(0s));
    call(before, 20, 1s);
    before.hold(5, at(2s));
    Bucket after("x", rule(Reset::fixed, 1h, 100));
    after.restore(saved, &mark, at(3s));
    EXPECT_EQ(after.available(at(3s)), 75);
    EXPECT_EQ(after.available(at(30s)), 75);
    EXPECT_EQ(after.held(), 0);
}

TEST(Bucket, ThousandsOfRollingChargesStayFew) {
    Bucket bucket("x", rule(Reset::rolling, 1h, 100'000));
    for (int i = 0; i < 20'000; ++i) call(bucket, 1, i * 100ms);
    EXPECT_EQ(bucket.available(at(2'000s)), 80'000);
    EXPECT_LE(bucket.save(at(2'000s)).entries.size(), Bucket::kMostEntries);
    EXPECT_NEAR(bucket.available(at(3'600s + 1'000s)), 90'000, 100);
    EXPECT_EQ(bucket.available(at(6'000s)), 100'000);
}

TEST(Bucket, WhatOneRequestCannotHaveIsNeverBack) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 10));
    EXPECT_FALSE(bucket.earliest(11, at(0s)));
    EXPECT_EQ(bucket.earliest(10, at(0s)), 0s);
    Bucket credit("x", rule(Reset::lifetime, 0s, 10));
    call(credit, 10, 0s);
    EXPECT_FALSE(credit.earliest(1, at(0s)));
    EXPECT_FALSE(credit.whole_in(at(0s)));
}

TEST(Bucket, TheRateFades) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 1'000));
    for (int i = 0; i < 600; ++i) call(bucket, 1, i * 500ms);
    EXPECT_NEAR(bucket.rate(at(300s)), 2, 0.1);
    EXPECT_LT(bucket.rate(at(900s)), 0.001);
}

TEST(Bucket, OnlyWhatWasGrantedIsThere) {
    Bucket bucket("x", rule(Reset::rolling, 60s, 100));
    bucket.share(true);
    EXPECT_EQ(bucket.granted(at(0s)), 0);
    bucket.grant(10, at(5s).steady);
    bucket.hold(4, at(0s));
    EXPECT_EQ(bucket.granted(at(1s)), 6);
    EXPECT_EQ(bucket.granted(at(5s)), 0);
    EXPECT_EQ(bucket.withdraw(), 6);
    EXPECT_EQ(bucket.withdraw(), 0);
}

TEST(Bucket, SourcesAreNamedBothWays) {
    for (const Source source :
         {Source::configured, Source::counted, Source::header, Source::refusal, Source::discovered,
          Source::operator_set, Source::restored})
        EXPECT_EQ(source_named(name(source)), source);
    EXPECT_FALSE(source_named("hearsay"));
}

}  // namespace
}  // namespace quota
