#include "device/scheduler.h"

#include <gtest/gtest.h>

namespace device {
namespace {

using namespace std::chrono_literals;
using Kind = Scheduler::Action::Kind;

constexpr std::uint64_t kGb = 1'000'000'000;

Terms gigabytes(std::uint64_t budget) { return {.budget = budget * kGb}; }

/// One device, its engine "e" unless a test says otherwise, and what the scheduler does.
struct Story {
    Scheduler scheduler{gigabytes(10)};
    base::Time now = base::Time(1'000s);
    std::string refusal;
    base::ErrorKind refusal_kind{};

    std::string actions() {
        std::string text;
        for (const Scheduler::Action& action : scheduler.take_actions()) {
            if (!text.empty()) text += ' ';
            const std::string ticket = std::to_string(action.ticket);
            if (action.kind == Kind::grant) text += (action.cold ? "load:" : "grant:") + ticket;
            if (action.kind == Kind::evict) text += "evict:" + action.key.model;
            if (action.kind == Kind::refuse) {
                text += "refuse:" + ticket;
                refusal = action.error.detail;
                refusal_kind = action.error.kind;
            }
        }
        return text;
    }
    std::string ask(Scheduler::Ticket ticket, std::string model, std::uint64_t gigabytes,
                    Priority priority = Priority::chat) {
        return ask(ticket, Need{{"e", std::move(model)}, gigabytes * kGb, 0, priority});
    }
    std::string ask(Scheduler::Ticket ticket, Need need) {
        scheduler.ask(ticket, std::move(need), now);
        return actions();
    }
    std::string withdraw(Scheduler::Ticket ticket) {
        scheduler.withdraw(ticket, now);
        return actions();
    }
    std::string loaded(Scheduler::Ticket ticket, std::optional<base::Duration> took = {}) {
        scheduler.loaded(ticket, took, now);
        return actions();
    }
    std::string release(Scheduler::Ticket ticket, bool failed = false) {
        scheduler.release(ticket, failed, now);
        return actions();
    }
    std::string lists(std::vector<Resident> residents, std::string engine = "e") {
        scheduler.observed(engine, std::move(residents), now);
        return actions();
    }
    std::string evicted(std::string model) {
        scheduler.evicted({"e", std::move(model)}, now);
        return actions();
    }
    std::string still_there(std::string model) {
        scheduler.eviction_failed({"e", std::move(model)}, "it did not go", now);
        return actions();
    }
    std::string others(std::uint64_t gigabytes) {
        scheduler.others(gigabytes * kGb, now);
        return actions();
    }
    std::string configure(Terms terms) {
        scheduler.configure(terms, now);
        return actions();
    }
    std::string after(base::Duration time) {
        now += time;
        scheduler.tick(now);
        return actions();
    }
    std::uint64_t used() const { return scheduler.view(now).used / kGb; }
    std::uint64_t idle_models() const {
        std::uint64_t idle = 0;
        for (const auto& model : scheduler.view(now).models) idle += model.leases == 0;
        return idle;
    }
};

// What fits.

TEST(Scheduler, H2TwoModelsThatFitTogetherRunTogether) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 6), "load:1");
    EXPECT_EQ(story.ask(2, "b", 4), "load:2");
    EXPECT_EQ(story.ask(3, "c", 1), "");
}

TEST(Scheduler, AClaimCountsBeforeAnythingIsLoaded) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 6), "load:1");
    EXPECT_EQ(story.ask(2, "b", 5), "");
    EXPECT_EQ(story.used(), 6u);
}

TEST(Scheduler, RequestsForOneModelShareItsMemory) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 6), "load:1");
    EXPECT_EQ(story.ask(2, "a", 6), "load:2");
    story.loaded(1);
    EXPECT_EQ(story.ask(3, "a", 6), "grant:3");
    EXPECT_EQ(story.used(), 6u);
}

TEST(Scheduler, SlotsLimitTheLeasesOnAModel) {
    Story story;
    const Need need{{"e", "a"}, kGb, 2};
    EXPECT_EQ(story.ask(1, need), "load:1");
    EXPECT_EQ(story.ask(2, need), "load:2");
    EXPECT_EQ(story.ask(3, need), "");
    story.loaded(1);
    EXPECT_EQ(story.release(1), "grant:3");
}

TEST(Scheduler, JobsLimitTheLeasesOnTheDevice) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 2});
    EXPECT_EQ(story.ask(1, "a", 1), "load:1");
    EXPECT_EQ(story.ask(2, "b", 1), "load:2");
    EXPECT_EQ(story.ask(3, "c", 1), "");
    EXPECT_EQ(story.release(2), "load:3");
}

TEST(Scheduler, AnUnknownFootprintIsTheWholeDeviceUntilMeasured) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", 0), "load:1");
    EXPECT_EQ(story.ask(2, "b", 1), "");
    story.loaded(1);
    EXPECT_EQ(story.lists({{"a", 4 * kGb}}), "load:2");
    EXPECT_EQ(story.used(), 5u);
}

TEST(Scheduler, AnUnknownFootprintNextToOthersTakesTheRest) {
    Story story;
    story.others(1);
    EXPECT_EQ(story.ask(1, "a", 0), "load:1");
    story.release(1, true);
    story.others(10);
    EXPECT_EQ(story.ask(2, "a", 0), "");
}

TEST(Scheduler, WhatWasMeasuredReplacesWhatWasDeclared) {
    Story story;
    story.lists({{"small", 2 * kGb}, {"large", 9 * kGb}});
    story.lists({});
    EXPECT_EQ(story.ask(1, "small", 20), "load:1") << "measured 2";
    EXPECT_EQ(story.ask(2, "large", 1), "") << "measured 9";
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.lists({}), "load:2");
}

TEST(Scheduler, WhatIsSeenWhileItLoadsIsNotYetAll) {
    Story story;
    story.ask(1, "a", 8);
    story.lists({{"a", kGb, true}});
    EXPECT_EQ(story.ask(2, "b", 3), "");
    story.release(1);
    EXPECT_EQ(story.lists({{"a", 2 * kGb, true}}), "") << "it goes on loading after the hang-up";
    EXPECT_EQ(story.lists({{"a", 6 * kGb, false}}), "load:2");
}

TEST(Scheduler, AModelThatIsLoadedAnewUnderALeaseIsNotMeasuredBelowWhatItWas) {
    Story story;
    story.lists({{"a", 8 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 8), "grant:1");
    EXPECT_EQ(story.lists({{"a", 2 * kGb, true}}), "") << "it had crashed and loads again";
    EXPECT_EQ(story.ask(2, "b", 3), "");
    EXPECT_EQ(story.used(), 8u);
}

TEST(Scheduler, H6AFailedLoadThatWasListedMeanwhileIsVoidToo) {
    Story story;
    story.lists({});
    story.ask(1, "a", 8);
    story.lists({{"a", 2 * kGb, true}});
    EXPECT_EQ(story.ask(2, "b", 8), "");
    EXPECT_EQ(story.release(1, true), "load:2");
}

TEST(Scheduler, AnUnfinishedLoadIsNotJoinedWhenOthersTookItsMemory) {
    Story story;
    story.lists({});
    story.ask(1, "a", 8);
    story.release(1);
    story.others(5);
    EXPECT_EQ(story.ask(2, "a", 8), "") << "nobody knows whether it went on loading";
    EXPECT_EQ(story.lists({{"a", 8 * kGb}}), "grant:2");
}

TEST(Scheduler, AModelLargerThanTheDeviceIsRefusedAtOnce) {
    Story story;
    story.ask(1, "a", 6);
    EXPECT_EQ(story.ask(2, "b", 11), "refuse:2");
    EXPECT_EQ(story.refusal_kind, base::ErrorKind::too_large);
    EXPECT_EQ(story.refusal,
              "b takes 11.0 GB and the device has 10.0 GB in all; use a smaller model or state a "
              "larger budget");
}

TEST(Scheduler, AWaiterThatNoLongerFitsIsRefused) {
    Story story;
    story.ask(1, "a", 6);
    story.ask(2, "b", 9);
    EXPECT_EQ(story.configure(gigabytes(8)), "refuse:2");
}

TEST(Scheduler, WhatFitsOnlyWithoutOthersWaitsForThem) {
    Story story;
    story.others(3);
    EXPECT_EQ(story.ask(1, "a", 8), "");
    EXPECT_EQ(story.others(2), "load:1");
}

TEST(Scheduler, OthersThatGrowStopNewLoadsButNoHolder) {
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

TEST(Scheduler, WithoutABudgetOneModelIsOnTheDeviceAtATime) {
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

TEST(Scheduler, AnEngineThatHoldsOneModelGetsTheSecondAfterTheFirst) {
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

TEST(Scheduler, ModelsThatNobodyOfOursAskedForAreCountedAndMayGo) {
    Story story;
    story.lists({{"stranger", 7 * kGb}});
    EXPECT_EQ(story.used(), 7u);
    EXPECT_EQ(story.ask(1, "a", 4), "evict:stranger");
    EXPECT_EQ(story.evicted("stranger"), "load:1");
}

TEST(Scheduler, AModelAtWorkForOthersStays) {
    Story story;
    story.lists({{"stranger", 7 * kGb, true}});
    EXPECT_EQ(story.ask(1, "a", 4), "");
    EXPECT_EQ(story.lists({{"stranger", 7 * kGb, false}}), "evict:stranger");
}

TEST(Scheduler, AModelThatIsNoLongerListedIsGone) {
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

TEST(Scheduler, AClaimOutlivesAListWithoutItsModel) {
    Story story;
    story.ask(1, "a", 7);
    story.lists({});
    EXPECT_EQ(story.ask(2, "b", 4), "");
    story.loaded(1);
    EXPECT_EQ(story.lists({}), "") << "a holder's memory is never given away";
}

TEST(Scheduler, AfterAHangUpTheClaimLastsUntilTheEngineIsAsked) {
    Story story;
    story.lists({});
    story.ask(1, "a", 7);
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.ask(2, "b", 4), "") << "the engine may go on loading";
    EXPECT_EQ(story.lists({}), "load:2");
}

TEST(Scheduler, H6AFailedLoadGivesItsClaimBackAtOnce) {
    Story story;
    story.lists({});
    story.ask(1, "a", 7);
    EXPECT_EQ(story.ask(2, "b", 4), "");
    EXPECT_EQ(story.release(1, true), "load:2");
}

TEST(Scheduler, AnEngineThatCanNotBeAskedKeepsWhatItHeld) {
    Story story;
    story.lists({{"a", 7 * kGb}});
    story.scheduler.unreachable("e", story.now);
    EXPECT_EQ(story.ask(1, "b", 4), "") << "counted, and nothing is evicted from it";
    EXPECT_EQ(story.lists({{"a", 7 * kGb}}), "evict:a");
}

TEST(Scheduler, AnEngineThatWasNeverAskedHoldsClaimsOnly) {
    Story story;
    story.ask(1, "a", 7);
    story.loaded(1);
    EXPECT_EQ(story.ask(2, "b", 7), "");
    EXPECT_EQ(story.release(1), "load:2");
}

// Who leaves.

TEST(Scheduler, TheLongestIdleLeavesFirst) {
    Story story;
    story.lists({{"old", 4 * kGb}});
    story.after(60s);
    story.lists({{"old", 4 * kGb}, {"new", 4 * kGb}});
    story.after(10s);
    EXPECT_EQ(story.ask(1, "a", 5), "evict:old");
}

TEST(Scheduler, WhatIsCheapToLoadAgainLeavesFirst) {
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

TEST(Scheduler, NoMoreLeaveThanItTakes) {
    Story story;
    story.lists({{"tiny", kGb}, {"huge", 7 * kGb}});
    story.after(10s);
    EXPECT_EQ(story.ask(1, "a", 7), "evict:huge") << "tiny is worth less, but alone no help";
    EXPECT_EQ(story.evicted("huge"), "load:1");
}

TEST(Scheduler, NobodyLeavesIfItWouldNotBeEnough) {
    Story story;
    story.ask(1, "held", 5);
    story.loaded(1);
    story.lists({{"held", 5 * kGb}, {"idle", 2 * kGb}});
    EXPECT_EQ(story.ask(2, "a", 6), "");
    EXPECT_EQ(story.release(1), "evict:held") << "which alone is enough";
}

TEST(Scheduler, TwoWaitersForOneModelMakeRoomOnce) {
    Story story;
    story.lists({{"x", 5 * kGb}, {"y", 5 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 5), "evict:x");
    EXPECT_EQ(story.ask(2, "a", 5), "");
    EXPECT_EQ(story.evicted("x"), "load:1 load:2");
}

TEST(Scheduler, WhatLeavesAlreadyIsNotCountedTwice) {
    Story story;
    story.lists({{"x", 5 * kGb}, {"y", 5 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 3), "evict:x");
    EXPECT_EQ(story.ask(2, "b", 2), "") << "fits beside a once x is gone";
    EXPECT_EQ(story.ask(3, "c", 1), "evict:y");
    EXPECT_EQ(story.evicted("x"), "load:1 load:2");
    EXPECT_EQ(story.evicted("y"), "load:3");
}

TEST(Scheduler, H3NothingLoadsBeforeTheEvictionIsConfirmed) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 8), "evict:x");
    EXPECT_EQ(story.after(10s), "");
    EXPECT_EQ(story.lists({}), "") << "off the list is not yet out of the memory";
    EXPECT_EQ(story.ask(2, "b", 3), "");
    EXPECT_EQ(story.evicted("x"), "load:1");
}

TEST(Scheduler, AModelOnItsWayOutIsLoadedAgainOnlyAfterwards) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    story.ask(1, "a", 8);
    EXPECT_EQ(story.ask(2, "x", 8), "");
    EXPECT_EQ(story.withdraw(1), "");
    EXPECT_EQ(story.evicted("x"), "load:2");
}

TEST(Scheduler, H3AFailedEvictionMarksTheEngineNotTheRequest) {
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

TEST(Scheduler, H3ATroubledEngineIsTriedAgainAfterAPauseThatDoubles) {
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

TEST(Scheduler, AnEvictionThatWorkedAfterAllEndsTheTrouble) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    story.ask(1, "a", 8);
    story.still_there("x");
    EXPECT_EQ(story.lists({}), "load:1");
    EXPECT_TRUE(story.scheduler.view(story.now).troubled.empty());
}

// Who waits.

TEST(Scheduler, RequestsForWhatIsLoadedGoTogether) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    EXPECT_EQ(story.ask(1, "a", 8), "load:1");
    story.lists({{"a", 8 * kGb}});
    story.loaded(1);
    EXPECT_EQ(story.ask(2, "b", 8), "");
    EXPECT_EQ(story.ask(3, "a", 8), "");
    EXPECT_EQ(story.release(1), "grant:3");
    EXPECT_EQ(story.release(3), "evict:a");
}

TEST(Scheduler, NobodyOvertakesAWaiterOutOfPatience) {
    Story story;
    story.ask(1, "a", 8);
    story.loaded(1);
    story.lists({{"a", 8 * kGb}});
    story.ask(2, "b", 8);
    EXPECT_EQ(story.ask(3, "a", 8), "grant:3");
    EXPECT_EQ(story.scheduler.due(), story.now + 20s);
    EXPECT_EQ(story.after(20s), "");
    EXPECT_EQ(story.scheduler.due(), base::Time::max());
    EXPECT_EQ(story.ask(4, "a", 8), "") << "a drains";
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.release(3), "evict:a");
    EXPECT_EQ(story.evicted("a"), "load:2");
}

TEST(Scheduler, WhatNeedNotLeaveForTheImpatientGoesOn) {
    Story story;
    story.ask(1, "small", 2);
    story.ask(2, "large", 7);
    story.loaded(1);
    story.loaded(2);
    story.lists({{"small", 2 * kGb}, {"large", 7 * kGb}});
    story.ask(3, "b", 8);
    story.after(20s);
    EXPECT_EQ(story.ask(4, "small", 2), "grant:4") << "b fits beside it";
    EXPECT_EQ(story.ask(5, "large", 7), "");
    EXPECT_EQ(story.ask(6, "tiny", 1), "") << "that memory is b's";
    EXPECT_EQ(story.release(2), "evict:large");
    EXPECT_EQ(story.evicted("large"), "load:3");
}

TEST(Scheduler, MemoryThatTheImpatientDoesNotNeedIsGiven) {
    Story story;
    story.ask(1, "a", 6);
    story.loaded(1);
    story.lists({{"a", 6 * kGb}});
    story.ask(2, "b", 7);
    story.after(20s);
    EXPECT_EQ(story.ask(3, "c", 3), "load:3");
    EXPECT_EQ(story.ask(4, "d", 1), "");
}

TEST(Scheduler, TwoBusyModelsDoNotTakeTurnsAtDraining) {
    Story story;
    story.ask(1, "a", 5);
    story.ask(2, "b", 5);
    story.lists({{"a", 5 * kGb}, {"b", 5 * kGb}});
    story.loaded(1, 1s);
    story.loaded(2, 2s);
    story.ask(3, "c", 5);
    EXPECT_EQ(story.after(20s), "");
    EXPECT_EQ(story.ask(4, "b", 5), "grant:4") << "a is cheaper, a drains";
    story.loaded(4, 1ms);
    EXPECT_EQ(story.ask(5, "b", 5), "grant:5") << "b is cheaper now, a still drains";
    EXPECT_EQ(story.ask(6, "a", 5), "");
    EXPECT_EQ(story.release(1), "evict:a");
}

TEST(Scheduler, QuickGoesBeforeChatAndChatBeforeImage) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    story.ask(1, "a", 1);
    story.ask(2, "b", 1, Priority::image);
    story.ask(3, "c", 1, Priority::chat);
    story.ask(4, "d", 1, Priority::quick);
    EXPECT_EQ(story.release(1), "load:4");
    EXPECT_EQ(story.release(4), "load:3");
    EXPECT_EQ(story.release(3), "load:2");
}

TEST(Scheduler, WhoWaitedLongGoesBeforeAHigherPriority) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    story.ask(1, "a", 1);
    story.ask(2, "b", 1, Priority::chat);
    story.after(9s);
    story.ask(3, "c", 1, Priority::quick);
    story.after(2s);
    story.ask(4, "d", 1, Priority::quick);
    EXPECT_EQ(story.release(1), "load:3");
    EXPECT_EQ(story.release(3), "load:2") << "11 s older than 4, which is worth 10";
}

TEST(Scheduler, TheImpatientOfOneModelGoTogether) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    story.lists({});
    story.ask(1, "a", 8);
    story.ask(2, "b", 8);
    story.ask(3, "c", 8);
    story.ask(4, "b", 8);
    story.loaded(1);
    story.lists({{"a", 8 * kGb}});
    story.after(25s);
    story.ask(5, "b", 8);
    EXPECT_EQ(story.release(1), "evict:a");
    EXPECT_EQ(story.evicted("a"), "load:2");
    story.loaded(2);
    story.lists({{"b", 8 * kGb}});
    EXPECT_EQ(story.release(2), "grant:4") << "before 3, which came before it: it saves two loads";
    EXPECT_EQ(story.release(4), "evict:b") << "5 is patient and may not";
    EXPECT_EQ(story.evicted("b"), "load:3");
}

TEST(Scheduler, TheQueueIsBounded) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .most_waiting = 2});
    story.ask(1, "a", 8);
    story.loaded(1);
    story.lists({{"a", 8 * kGb}, {"idle", 2 * kGb}});
    story.ask(2, "b", 8);
    story.ask(3, "c", 8);
    EXPECT_EQ(story.ask(4, "d", 2), "refuse:4") << "and idle is not evicted for it";
    EXPECT_EQ(story.refusal_kind, base::ErrorKind::refused);
    EXPECT_EQ(story.refusal, "2 requests wait for this device already");
    EXPECT_EQ(story.ask(5, "a", 8), "grant:5") << "need not wait";
}

TEST(Scheduler, H5AWaiterThatLeftCausesNoEviction) {
    Story story;
    story.ask(1, "a", 8);
    story.loaded(1);
    story.lists({{"a", 8 * kGb}});
    story.ask(2, "b", 8);
    story.withdraw(2);
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.after(60s), "");
}

TEST(Scheduler, H5AWaiterThatLeftCausesNoLoad) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    EXPECT_EQ(story.ask(1, "a", 8), "evict:x");
    story.withdraw(1);
    EXPECT_EQ(story.evicted("x"), "") << "carried through, and no more";
    EXPECT_EQ(story.used(), 0u);
}

TEST(Scheduler, AnImpatientWaiterThatLeavesHoldsNobodyUp) {
    Story story;
    story.ask(1, "a", 8);
    story.ask(2, "b", 8);
    story.after(20s);
    EXPECT_EQ(story.ask(3, "a", 8), "");
    EXPECT_EQ(story.withdraw(2), "load:3");
}

TEST(Scheduler, H1ALeaseEndsOnceAndStrangersAreIgnored) {
    Story story;
    story.ask(1, "a", 8);
    story.withdraw(1);
    EXPECT_EQ(story.used(), 8u) << "answered already";
    story.release(1);
    story.release(1);
    story.release(99);
    story.loaded(99);
    EXPECT_EQ(story.used(), 0u);
}

// What it tells.

TEST(Scheduler, TheViewNamesModelsAndWaitersInTheirTurn) {
    Story story;
    story.lists({{"old", 3 * kGb}});
    story.ask(1, "a", 7);
    story.after(5s);
    story.ask(2, "b", 9, Priority::image);
    story.ask(3, "c", 8, Priority::quick);
    const Scheduler::View view = story.scheduler.view(story.now);
    ASSERT_EQ(view.models.size(), 2u);
    EXPECT_EQ(view.models[0].key.model, "a");
    EXPECT_FALSE(view.models[0].loaded);
    EXPECT_EQ(view.models[0].leases, 1);
    EXPECT_EQ(view.models[1].key.model, "old");
    EXPECT_TRUE(view.models[1].loaded);
    EXPECT_EQ(view.models[1].idle, 5s);
    EXPECT_EQ(view.used, 10 * kGb);
    ASSERT_EQ(view.waiting.size(), 2u);
    EXPECT_EQ(view.waiting[0].ticket, 3u);
    EXPECT_EQ(view.waiting[1].ticket, 2u);
}

TEST(Scheduler, TheExpectedWaitFollowsTheQueueAndThePast) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    story.lists({});
    const Need a{{"e", "a"}, 8 * kGb};
    EXPECT_EQ(story.scheduler.expected_wait(a, story.now), 0s);
    story.ask(1, a);
    story.after(4s);
    story.loaded(1, 4s);
    story.lists({{"a", 8 * kGb}});
    story.after(10s);
    EXPECT_EQ(story.release(1), "");
    story.ask(2, a);
    EXPECT_EQ(story.scheduler.expected_wait(a, story.now), 10s) << "as long as the last took";
    story.ask(3, a);
    EXPECT_EQ(story.scheduler.expected_wait(a, story.now), 20s);
    story.after(9500ms);
    EXPECT_EQ(story.scheduler.expected_wait(a, story.now), 12'500ms) << "not over at once";
    EXPECT_GT(story.scheduler.expected_wait({{"e", "b"}, 8 * kGb}, story.now), 12'500ms);
}

TEST(Scheduler, LeasesOnWhatIsLoadedTeachTheirLengthUnasked) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    story.lists({{"a", 8 * kGb}});
    const Need a{{"e", "a"}, 8 * kGb};
    EXPECT_EQ(story.ask(1, a), "grant:1");
    story.after(3s);
    story.release(1);
    story.ask(2, a);
    EXPECT_EQ(story.scheduler.expected_wait(a, story.now), 3s);
}

TEST(Scheduler, TheExpectedWaitIsNeverUnderASecondNorEndless) {
    Story story;
    story.lists({{"x", 8 * kGb}});
    EXPECT_EQ(story.scheduler.expected_wait({{"e", "a"}, 8 * kGb}, story.now), 1s);
    story.others(9);
    EXPECT_EQ(story.scheduler.expected_wait({{"e", "a"}, 8 * kGb}, story.now), 30s);
    EXPECT_EQ(story.actions(), "") << "asking changes nothing";
}

}  // namespace
}  // namespace device
