#include "device/scheduler_story.h"

#include <gtest/gtest.h>

namespace device {
namespace {

// What fits.

TEST(Residency, H2TwoModelsThatFitTogetherRunTogether) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 6), "load:1");
    EXPECT_EQ(story.ask(2, "b", 4), "load:2");
    EXPECT_EQ(story.ask(3, "c", 1), "");
}

TEST(Residency, AClaimCountsBeforeAnythingIsLoaded) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 6), "load:1");
    EXPECT_EQ(story.ask(2, "b", 5), "");
    EXPECT_EQ(story.used(), 6u);
}

TEST(Residency, RequestsForOneModelShareItsMemory) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 6), "load:1");
    EXPECT_EQ(story.ask(2, "a", 6), "load:2");
    story.loaded(1);
    EXPECT_EQ(story.ask(3, "a", 6), "grant:3");
    EXPECT_EQ(story.used(), 6u);
}

TEST(Residency, SlotsLimitTheLeasesOnAModel) {
    Story story;
    const Need need{{"e", "a"}, kGb, 2};
    EXPECT_EQ(story.ask(1, need), "load:1");
    EXPECT_EQ(story.ask(2, need), "load:2");
    EXPECT_EQ(story.ask(3, need), "");
    story.loaded(1);
    EXPECT_EQ(story.release(1), "grant:3");
}

TEST(Residency, JobsLimitTheLeasesOnTheDevice) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 2});
    EXPECT_EQ(story.ask(1, "a", 1), "load:1");
    EXPECT_EQ(story.ask(2, "b", 1), "load:2");
    EXPECT_EQ(story.ask(3, "c", 1), "");
    EXPECT_EQ(story.release(2), "load:3");
}

TEST(Residency, AnUnknownFootprintIsTheWholeDeviceUntilMeasured) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 0), "load:1");
    EXPECT_EQ(story.ask(2, "b", 1), "");
    story.loaded(1);
    EXPECT_EQ(story.lists({{"a", 4 * kGb}}), "load:2");
    EXPECT_EQ(story.used(), 5u);
}

TEST(Residency, AnUnknownFootprintNextToOthersTakesTheRest) {
    Story story;
    story.others(1);
    EXPECT_EQ(story.ask(1, "a", 0), "load:1");
    story.release(1, true);
    story.others(10);
    EXPECT_EQ(story.ask(2, "a", 0), "");
}

TEST(Residency, WhatWasMeasuredReplacesWhatWasDeclared) {
    Story story;
    story.lists({{"small", 2 * kGb}, {"large", 9 * kGb}});
    story.lists({});
    EXPECT_EQ(story.ask(1, "small", 20), "load:1") << "measured 2";
    EXPECT_EQ(story.ask(2, "large", 1), "") << "measured 9";
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.lists({}), "load:2");
}

TEST(Residency, WhatIsSeenWhileItLoadsIsNotYetAll) {
    Story story;
    story.ask(1, "a", 8);
    story.lists({{"a", kGb, true}});
    EXPECT_EQ(story.ask(2, "b", 3), "");
    story.release(1);
    EXPECT_EQ(story.lists({{"a", 2 * kGb, true}}), "") << "it goes on loading after the hang-up";
    EXPECT_EQ(story.lists({{"a", 6 * kGb, false}}), "load:2");
}

TEST(Residency, AModelThatIsLoadedAnewUnderALeaseIsNotMeasuredBelowWhatItWas) {
    Story story;
    story.lists({{"a", 8 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 8), "grant:1");
    EXPECT_EQ(story.lists({{"a", 2 * kGb, true}}), "") << "it had crashed and loads again";
    EXPECT_EQ(story.ask(2, "b", 3), "");
    EXPECT_EQ(story.used(), 8u);
}

TEST(Residency, H6AFailedLoadThatWasListedMeanwhileIsVoidToo) {
    Story story;
    story.lists({});
    story.ask(1, "a", 8);
    story.lists({{"a", 2 * kGb, true}});
    EXPECT_EQ(story.ask(2, "b", 8), "");
    EXPECT_EQ(story.release(1, true), "load:2");
}

TEST(Residency, AnUnfinishedLoadIsNotJoinedWhenOthersTookItsMemory) {
    Story story;
    story.lists({});
    story.ask(1, "a", 8);
    story.release(1);
    story.others(5);
    EXPECT_EQ(story.ask(2, "a", 8), "") << "nobody knows whether it went on loading";
    EXPECT_EQ(story.lists({{"a", 8 * kGb}}), "grant:2");
}

TEST(Residency, AModelLargerThanTheDeviceIsRefusedAtOnce) {
    Story story;
    story.ask(1, "a", 6);
    EXPECT_EQ(story.ask(2, "b", 11), "refuse:2");
    EXPECT_EQ(story.refusal_kind, base::ErrorKind::too_large);
    EXPECT_EQ(story.refusal,
              "b takes 11.0 GB and the device has 10.0 GB in all; use a smaller model or state a "
              "larger budget");
}

TEST(Residency, AWaiterThatNoLongerFitsIsRefused) {
    Story story;
    story.ask(1, "a", 6);
    story.ask(2, "b", 9);
    EXPECT_EQ(story.configure(gigabytes(8)), "refuse:2");
}

TEST(Residency, WhatFitsOnlyWithoutOthersWaitsForThem) {
    Story story;
    story.others(3);
    EXPECT_EQ(story.ask(1, "a", 8), "");
    EXPECT_EQ(story.others(2), "load:1");
}

TEST(Residency, OthersThatGrowStopNewLoadsButNoHolder) {
    Story story;
    story.ask(1, "a", 4);
    story.loaded(1);
    story.lists({{"a", 4 * kGb}});
    EXPECT_EQ(story.others(8), "");
    EXPECT_EQ(story.ask(2, "b", 1), "");
    EXPECT_EQ(story.ask(3, "a", 4), "grant:3") << "needs no memory";
    story.release(1);
    EXPECT_EQ(story.release(3), "evict:a") << "idle now, and 2 needs room";
    EXPECT_EQ(story.evicted("a"), "load:2");
}

TEST(Residency, WithoutABudgetOneModelIsOnTheDeviceAtATime) {
    Story story;
    story.scheduler = Scheduler(Terms{});
    EXPECT_EQ(story.ask(1, "a", 1), "load:1");
    EXPECT_EQ(story.ask(2, "a", 1), "load:2") << "any number of leases on it";
    EXPECT_EQ(story.ask(3, "b", 1'000'000), "") << "sizes say nothing";
    story.loaded(1);
    story.lists({{"a", kGb}});
    story.release(1);
    EXPECT_EQ(story.release(2), "evict:a");
    EXPECT_EQ(story.evicted("a"), "load:3");
    EXPECT_EQ(story.used(), 1'000'000u) << "shown as declared";
}

TEST(Residency, AnEngineThatHoldsOneModelGetsTheSecondAfterTheFirst) {
    Story story;
    const auto need = [](std::string model) {
        return Need{{"e", std::move(model)}, kGb, 0, Priority::quick, 1};
    };
    EXPECT_EQ(story.ask(1, need("a")), "load:1");
    EXPECT_EQ(story.ask(2, need("b")), "") << "memory is not what lacks";
    EXPECT_EQ(story.ask(3, Need{{"other", "c"}, kGb}), "load:3");
    story.loaded(1);
    story.lists({{"a", kGb}});
    EXPECT_EQ(story.release(1), "evict:a");
    EXPECT_EQ(story.evicted("a"), "load:2");
}

// What engines say.

TEST(Residency, ModelsThatNobodyOfOursAskedForAreCountedAndMayGo) {
    Story story;
    story.lists({{"stranger", 7 * kGb}});
    EXPECT_EQ(story.used(), 7u);
    EXPECT_EQ(story.ask(1, "a", 4), "evict:stranger");
    EXPECT_EQ(story.evicted("stranger"), "load:1");
}

TEST(Residency, AModelAtWorkForOthersStays) {
    Story story;
    story.lists({{"stranger", 7 * kGb, true}});
    EXPECT_EQ(story.ask(1, "a", 4), "");
    EXPECT_EQ(story.lists({{"stranger", 7 * kGb, false}}), "evict:stranger");
}

TEST(Residency, AModelThatIsNoLongerListedIsGone) {
    Story story;
    story.lists({{"a", 7 * kGb}}, "e");
    story.lists({{"b", 2 * kGb}}, "other");
    story.ask(1, "c", 9);
    story.withdraw(1);
    EXPECT_EQ(story.lists({}), "");
    EXPECT_EQ(story.used(), 9u) << "a leaves by the eviction under way, b is another engine's";
    story.evicted("a");
    EXPECT_EQ(story.used(), 2u);
}

TEST(Residency, AClaimOutlivesAListWithoutItsModel) {
    Story story;
    story.ask(1, "a", 7);
    story.lists({});
    EXPECT_EQ(story.ask(2, "b", 4), "");
    story.loaded(1);
    EXPECT_EQ(story.lists({}), "") << "a holder's memory is never given away";
}

TEST(Residency, AfterAHangUpTheClaimLastsUntilTheEngineIsAsked) {
    Story story;
    story.lists({});
    story.ask(1, "a", 7);
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.ask(2, "b", 4), "") << "the engine may go on loading";
    EXPECT_EQ(story.lists({}), "load:2");
}

TEST(Residency, H6AFailedLoadGivesItsClaimBackAtOnce) {
    Story story;
    story.lists({});
    story.ask(1, "a", 7);
    EXPECT_EQ(story.ask(2, "b", 4), "");
    EXPECT_EQ(story.release(1, true), "load:2");
}

TEST(Residency, AnEngineThatCanNotBeAskedKeepsWhatItHeld) {
    Story story;
    story.lists({{"a", 7 * kGb}});
    story.scheduler.unreachable("e", story.now);
    EXPECT_EQ(story.ask(1, "b", 4), "") << "counted, and nothing is evicted from it";
    EXPECT_EQ(story.lists({{"a", 7 * kGb}}), "evict:a");
}

TEST(Residency, AnEngineThatIsGoneHoldsNothing) {
    Story story;
    story.lists({{"a", 7 * kGb}});
    story.scheduler.unreachable("e", story.now);
    EXPECT_EQ(story.ask(1, "b", 4), "");
    EXPECT_EQ(story.lost("e"), "load:1");
    EXPECT_EQ(story.used(), 4u);
}

TEST(Residency, AClaimOnAnEngineThatIsGoneIsVoid) {
    Story story;
    story.lists({});
    story.ask(1, "a", 7);
    EXPECT_EQ(story.release(1), "") << "it may be loading on";
    EXPECT_EQ(story.ask(2, Need{{"other", "b"}, 7 * kGb}), "");
    EXPECT_EQ(story.lost("e"), "load:2");
}

TEST(Residency, WhatIsLeasedOfAnEngineThatIsGoneCountsUntilTheLeaseEnds) {
    Story story;
    story.lists({{"a", 7 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 7), "grant:1");
    EXPECT_EQ(story.ask(2, Need{{"other", "b"}, 7 * kGb}), "");
    EXPECT_EQ(story.lost("e"), "");
    EXPECT_EQ(story.release(1), "") << "until it was looked for once more";
    EXPECT_EQ(story.lost("e"), "load:2");
}

TEST(Residency, WhatTheDriverSeesOfASilentEngineIsOthers) {
    Story story;
    story.lists({{"a", 7 * kGb}});
    EXPECT_EQ(story.ask(1, Need{{"other", "b"}, 5 * kGb}), "evict:a");
    story.still_there("a");
    EXPECT_EQ(story.lost("e", 6), "") << "6 of 10 are taken, whoever has them";
    EXPECT_EQ(story.used(), 0u);
    EXPECT_EQ(story.others(5), "load:1");
}

TEST(Residency, WhatIsLoadingOrLeavingIsShownAsSuch) {
    Story story;
    const auto shown = [&](const Resident& resident) {
        story.lists({resident});
        const auto model = story.scheduler.view(story.now).models.at(0);
        return model.evicting ? "leaving" : model.loaded ? "loaded" : "loading";
    };
    EXPECT_STREQ(shown({"a", kGb, true, true}), "loading");
    EXPECT_STREQ(shown({"a", kGb}), "loaded");
    EXPECT_STREQ(shown({"a", kGb, true, false, true}), "leaving");
}

TEST(Residency, AnEngineThatWasNeverAskedHoldsClaimsOnly) {
    Story story;
    story.ask(1, "a", 7);
    story.loaded(1);
    EXPECT_EQ(story.ask(2, "b", 7), "");
    EXPECT_EQ(story.release(1), "load:2");
}

// Who leaves.

TEST(Residency, TheLongestIdleLeavesFirst) {
    Story story;
    story.lists({{"old", 4 * kGb}});
    story.after(60s);
    story.lists({{"old", 4 * kGb}, {"new", 4 * kGb}});
    story.after(10s);
    EXPECT_EQ(story.ask(1, "a", 5), "evict:old");
}

TEST(Residency, WhatIsCheapToLoadAgainLeavesFirst) {
    Story story;
    story.ask(1, "dear", 4);
    story.loaded(1, 40s);
    story.ask(2, "cheap", 4);
    story.loaded(2, 1s);
    story.lists({{"dear", 4 * kGb}, {"cheap", 4 * kGb}});
    story.release(1);
    story.release(2);
    story.after(10s);
    EXPECT_EQ(story.ask(3, "a", 5), "evict:cheap");
}

TEST(Residency, NoMoreLeaveThanItTakes) {
    Story story;
    story.lists({{"tiny", kGb}, {"huge", 7 * kGb}});
    story.after(10s);
    EXPECT_EQ(story.ask(1, "a", 7), "evict:huge") << "tiny is worth less, but alone no help";
    EXPECT_EQ(story.evicted("huge"), "load:1");
}

TEST(Residency, NobodyLeavesIfItWouldNotBeEnough) {
    Story story;
    story.ask(1, "held", 5);
    story.loaded(1);
    story.lists({{"held", 5 * kGb}, {"idle", 2 * kGb}});
    EXPECT_EQ(story.ask(2, "a", 6), "");
    EXPECT_EQ(story.release(1), "evict:held") << "which alone is enough";
}

TEST(Residency, TwoWaitersForOneModelMakeRoomOnce) {
    Story story;
    story.lists({{"x", 5 * kGb}, {"y", 5 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 5), "evict:x");
    EXPECT_EQ(story.ask(2, "a", 5), "");
    EXPECT_EQ(story.evicted("x"), "load:1 load:2");
}

TEST(Residency, WhatLeavesAlreadyIsNotCountedTwice) {
    Story story;
    story.lists({{"x", 5 * kGb}, {"y", 5 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 3), "evict:x");
    EXPECT_EQ(story.ask(2, "b", 2), "") << "fits beside a once x is gone";
    EXPECT_EQ(story.ask(3, "c", 1), "evict:y");
    EXPECT_EQ(story.evicted("x"), "load:1 load:2");
    EXPECT_EQ(story.evicted("y"), "load:3");
}

TEST(Residency, H3NothingLoadsBeforeTheEvictionIsConfirmed) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 8), "evict:x");
    EXPECT_EQ(story.after(10s), "");
    EXPECT_EQ(story.lists({}), "") << "off the list is not yet out of the memory";
    EXPECT_EQ(story.ask(2, "b", 3), "");
    EXPECT_EQ(story.evicted("x"), "load:1");
}

TEST(Residency, AModelOnItsWayOutIsLoadedAgainOnlyAfterwards) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    story.ask(1, "a", 8);
    EXPECT_EQ(story.ask(2, "x", 8), "");
    EXPECT_EQ(story.withdraw(1), "");
    EXPECT_EQ(story.evicted("x"), "load:2");
}

TEST(Residency, H3AFailedEvictionMarksTheEngineNotTheRequest) {
    Story story;
    story.lists({{"x", 6 * kGb}});
    story.lists({{"y", 4 * kGb}}, "other");
    story.after(10s);
    EXPECT_EQ(story.ask(1, "a", 4), "evict:y");
    story.scheduler.eviction_failed({"other", "y"}, "it did not go", story.now);
    EXPECT_EQ(story.actions(), "evict:x") << "another has to go instead";
    EXPECT_EQ(story.scheduler.view(story.now).troubled.at("other"), "it did not go");
    EXPECT_EQ(story.evicted("x"), "load:1");
}

TEST(Residency, H3ATroubledEngineIsTriedAgainAfterAPauseThatDoubles) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 8), "evict:x");
    EXPECT_EQ(story.still_there("x"), "");
    EXPECT_EQ(story.used(), 8u);
    EXPECT_EQ(story.scheduler.due(), story.now + 5s);
    EXPECT_EQ(story.after(4s), "");
    EXPECT_EQ(story.after(1s), "evict:x");
    story.still_there("x");
    EXPECT_EQ(story.scheduler.due(), story.now + 10s);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(story.after(300s), "evict:x");
        story.still_there("x");
    }
    EXPECT_EQ(story.scheduler.due(), story.now + 300s);
    story.after(300s);
    EXPECT_EQ(story.evicted("x"), "load:1");
    EXPECT_TRUE(story.scheduler.view(story.now).troubled.empty());
}

TEST(Residency, AnEvictionThatWorkedAfterAllEndsTheTrouble) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    story.ask(1, "a", 8);
    story.still_there("x");
    EXPECT_EQ(story.lists({}), "load:1");
    EXPECT_TRUE(story.scheduler.view(story.now).troubled.empty());
}

}  // namespace
}  // namespace device
