#include "device/scheduler_story.h"

#include <gtest/gtest.h>

namespace device {
namespace {

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
    story.ask(2, "a", 5);
    story.ask(3, "b", 5);
    story.loaded(1, 1s);
    story.loaded(3, 2s);
    story.lists({{"a", 5 * kGb}, {"b", 5 * kGb}});
    story.ask(4, "c", 5);
    EXPECT_EQ(story.after(20s), "");
    EXPECT_EQ(story.ask(5, "b", 5), "grant:5") << "a is cheaper, a drains";
    EXPECT_EQ(story.after(20s), "");
    EXPECT_EQ(story.release(1), "") << "a was wanted a moment ago, b is worth less now";
    EXPECT_EQ(story.ask(6, "a", 5), "");
    EXPECT_EQ(story.ask(7, "b", 5), "grant:7");
    EXPECT_EQ(story.release(2), "evict:a");
}

TEST(Scheduler, MemoryThatIsBeingFreedForOneIsNotGivenToAnother) {
    Story story;
    story.scheduler = Scheduler(gigabytes(14));
    story.ask(1, "a", 10);
    story.loaded(1);
    story.lists({{"a", 10 * kGb}, {"idle", 2 * kGb}});
    story.ask(2, "b", 5);
    EXPECT_EQ(story.after(20s), "") << "waits for a, which leaves more than b needs";
    EXPECT_EQ(story.ask(3, "c", 4), "evict:idle");
    EXPECT_EQ(story.ask(4, "d", 2), "") << "free now, and half of what c waits for";
    EXPECT_EQ(story.evicted("idle"), "load:3");
}

TEST(Scheduler, TheJobOfOneThatRoomIsMadeForIsNotGivenToAnother) {
    Story story;
    story.scheduler = Scheduler({.budget = 10 * kGb, .jobs = 1});
    story.lists({{"a", 8 * kGb}, {"c", kGb}});
    EXPECT_EQ(story.ask(1, "c", 1), "grant:1");
    story.ask(2, "b", 8);
    story.after(20s);
    story.ask(3, "c", 1);
    EXPECT_EQ(story.release(1), "evict:a");
    EXPECT_EQ(story.evicted("a"), "load:2");
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
