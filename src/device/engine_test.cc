#include "device/engine.h"

#include <gtest/gtest.h>

namespace device {
namespace {

using Kind = Engine::Action::Kind;
using namespace std::chrono_literals;

/// A machine and its clock, and what it asked for, written `start grant:1 refuse:2`.
struct Story {
    Engine engine{EngineSpec{"tiny", {"llama-server"}, "/health", 10s, 5s}};
    base::Time now = base::Time(1'000s);
    std::string refusal;

    std::string actions() {
        std::string text;
        for (const Engine::Action& action : engine.take_actions()) {
            if (!text.empty()) text += ' ';
            if (action.kind == Kind::start) text += "start";
            if (action.kind == Kind::terminate) text += "terminate";
            if (action.kind == Kind::kill) text += "kill";
            if (action.kind == Kind::confirm) text += "confirm:" + std::to_string(action.ticket);
            if (action.kind == Kind::grant) text += "grant:" + std::to_string(action.ticket);
            if (action.kind == Kind::refuse) {
                text += "refuse:" + std::to_string(action.ticket);
                refusal = action.error.detail;
            }
        }
        return text;
    }
    std::string ask(Engine::Ticket ticket) {
        engine.ask(ticket, now);
        return actions();
    }
    std::string ready() {
        engine.became_ready(now);
        return actions();
    }
    std::string exited() {
        engine.exited("exited with status 1", now);
        return actions();
    }
    std::string release(Engine::Ticket ticket, Engine::Work work = Engine::Work::done) {
        engine.release(ticket, work, now);
        return actions();
    }
    std::string make_way(Engine::Ticket ticket) {
        engine.make_way(ticket, now);
        return actions();
    }
    std::string unload(Engine::Ticket ticket) {
        engine.unload(ticket, now);
        return actions();
    }
    std::string kill(Engine::Ticket ticket) {
        engine.kill(ticket, now);
        return actions();
    }
    std::string after(base::Duration time) {
        now += time;
        engine.tick(now);
        return actions();
    }
};

TEST(Engine, StartsOnDemandAndGrantsAllWaiters) {
    Story story;
    EXPECT_EQ(story.ask(1), "start");
    EXPECT_EQ(story.ask(2), "");
    EXPECT_EQ(story.ready(), "grant:1 grant:2");
    EXPECT_EQ(story.ask(3), "grant:3");
}

TEST(Engine, StopsOnlyWhenIdleForItsTtl) {
    Story story;
    story.ask(1);
    story.ready();
    EXPECT_EQ(story.after(60s), "");
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.after(9s), "");
    EXPECT_EQ(story.after(1s), "terminate");
    EXPECT_EQ(story.exited(), "");
    EXPECT_EQ(story.engine.state(), EngineState::stopped);
    EXPECT_EQ(story.engine.last_error(), "");
}

TEST(Engine, WithoutTtlItNeverStops) {
    Story story;
    story.engine = Engine(EngineSpec{"tiny", {"x"}, "/", 0s, 5s});
    story.ask(1);
    story.ready();
    story.release(1);
    EXPECT_EQ(story.engine.due(), base::Time::max());
}

TEST(Engine, AnUnwantedStartIsFinishedAndGoesIdle) {
    Story story;
    EXPECT_EQ(story.ask(1), "start");
    story.engine.withdraw(1);
    EXPECT_EQ(story.ready(), "");
    EXPECT_EQ(story.after(10s), "terminate");
}

TEST(Engine, AskedForWhileStoppingItStartsAgainAfterwards) {
    Story story;
    story.ask(1);
    story.ready();
    story.release(1);
    EXPECT_EQ(story.after(10s), "terminate");
    EXPECT_EQ(story.ask(2), "");
    EXPECT_EQ(story.exited(), "start");
    EXPECT_EQ(story.ready(), "grant:2");
}

TEST(Engine, AWaiterThatLeftWhileStoppingStartsNothing) {
    Story story;
    story.ask(1);
    story.ready();
    story.release(1);
    story.after(10s);
    story.ask(2);
    story.engine.withdraw(2);
    EXPECT_EQ(story.exited(), "");
    EXPECT_EQ(story.engine.state(), EngineState::stopped);
}

TEST(Engine, KillsWhatIgnoresTermination) {
    Story story;
    story.ask(1);
    story.ready();
    story.release(1);
    EXPECT_EQ(story.after(10s), "terminate");
    EXPECT_EQ(story.after(4s), "");
    EXPECT_EQ(story.after(1s), "kill");
    EXPECT_EQ(story.engine.due(), base::Time::max());
}

TEST(Engine, ASlowStartIsRefusedAndStopped) {
    Story story;
    story.ask(1);
    EXPECT_EQ(story.after(5s), "refuse:1 terminate");
    EXPECT_NE(story.refusal.find("not ready within 5 s"), std::string::npos) << story.refusal;
    EXPECT_EQ(story.exited(), "");
    EXPECT_EQ(story.engine.state(), EngineState::failed);
}

TEST(Engine, BacksOffLongerWithEachFailedStart) {
    Story story;
    const base::Duration pauses[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
    for (const base::Duration pause : pauses) {
        EXPECT_EQ(story.ask(1), "start");
        EXPECT_EQ(story.exited(), "refuse:1");
        story.now += pause - 1ms;
        EXPECT_EQ(story.ask(2), "refuse:2");
        EXPECT_NE(story.refusal.find("exited with status 1; next try in 1 s"), std::string::npos)
            << story.refusal;
        story.now += 1ms;
    }
    EXPECT_EQ(story.engine.restarts(), 7);
}

TEST(Engine, AfterOneCrashTheNextCallerStartsItAtOnce) {
    Story story;
    story.ask(1);
    story.ready();
    EXPECT_EQ(story.exited(), "");
    EXPECT_EQ(story.engine.state(), EngineState::failed);
    EXPECT_EQ(story.ask(2), "start");
    EXPECT_EQ(story.engine.restarts(), 1);
    story.ready();
    EXPECT_EQ(story.exited(), "");
    EXPECT_EQ(story.ask(3), "refuse:3") << "the second crash in a row waits";
}

TEST(Engine, LongServiceForgetsOldFailures) {
    Story story;
    for (int i = 0; i < 4; ++i) {
        story.ask(1);
        story.exited();
        story.now += 60s;
    }
    story.ask(2);
    story.ready();
    story.now += 60s;
    story.exited();
    EXPECT_EQ(story.ask(3), "start");
}

TEST(Engine, ALeaseOfACrashedRunDoesNotCountForTheNext) {
    Story story;
    story.ask(1);
    story.ready();
    story.exited();
    story.ask(2);
    story.ready();
    story.release(2);
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.after(10s), "terminate");
}

TEST(Engine, WhatCouldNotStartIsTriedAgainWithoutBackoff) {
    Story story;
    EXPECT_EQ(story.ask(1), "start");
    story.engine.could_not_start({base::ErrorKind::io, "no llama-server"}, story.now);
    EXPECT_EQ(story.actions(), "refuse:1");
    EXPECT_EQ(story.refusal, "no llama-server");
    EXPECT_EQ(story.ask(2), "start");
}

TEST(Engine, AChangedSpecificationTakesOverAfterTheLastLease) {
    Story story;
    story.ask(1);
    story.ready();
    EngineSpec changed = story.engine.spec();
    changed.command.push_back("--fast");
    story.engine.configure(changed, story.now);
    EXPECT_EQ(story.ask(2), "") << "waits for the new one";
    EXPECT_EQ(story.release(1), "terminate");
    EXPECT_EQ(story.exited(), "start");
    EXPECT_EQ(story.engine.spec(), changed);
    EXPECT_EQ(story.ready(), "grant:2");
}

TEST(Engine, WhereItWouldLookForItsFilesNextIsNoChange) {
    Story story;
    story.ask(1);
    story.ready();
    EngineSpec changed = story.engine.spec();
    changed.sharing = {"https://h/model.gguf"};
    story.engine.configure(changed, story.now);
    EXPECT_EQ(story.ask(2), "grant:2");
    EXPECT_EQ(story.engine.spec(), changed);
}

TEST(Engine, ChangedWhileStartingItStartsAnewForItsWaiters) {
    Story story;
    story.ask(1);
    EngineSpec changed = story.engine.spec();
    changed.ready = "/other";
    story.engine.configure(changed, story.now);
    EXPECT_EQ(story.actions(), "terminate");
    EXPECT_EQ(story.exited(), "start");
    EXPECT_EQ(story.ready(), "grant:1");
}

TEST(Engine, RetiredItEndsWithItsLastLease) {
    Story story;
    story.ask(1);
    story.ready();
    story.engine.retire(story.now);
    EXPECT_EQ(story.actions(), "");
    EXPECT_EQ(story.ask(2), "refuse:2");
    EXPECT_EQ(story.release(1), "terminate");
    EXPECT_FALSE(story.engine.finished());
    story.exited();
    EXPECT_TRUE(story.engine.finished());
}

TEST(Engine, ConfiguredAgainBeforeItEndedItStays) {
    Story story;
    story.ask(1);
    story.ready();
    story.engine.retire(story.now);
    story.engine.configure(EngineSpec(story.engine.spec()), story.now);
    EXPECT_EQ(story.release(1), "");
    EXPECT_EQ(story.ask(2), "grant:2");
}

TEST(Engine, ShutdownWaitsForNobody) {
    Story story;
    story.ask(1);
    story.ready();
    story.engine.shut_down(story.now);
    EXPECT_EQ(story.actions(), "terminate");
    EXPECT_EQ(story.exited(), "");
    EXPECT_TRUE(story.engine.finished());
}

TEST(Engine, IsUnloadedWhenNobodyUsesItAndSaysWhenItIsGone) {
    Story story;
    EXPECT_EQ(story.unload(1), "confirm:1");
    story.ask(2);
    EXPECT_EQ(story.unload(3), "refuse:3");
    story.ready();
    EXPECT_EQ(story.unload(4), "refuse:4");
    EXPECT_EQ(story.refusal, "tiny is in use: it is not unloaded");
    story.release(2);
    EXPECT_EQ(story.unload(5), "terminate");
    EXPECT_EQ(story.unload(6), "");
    EXPECT_EQ(story.exited(), "confirm:5 confirm:6");
    EXPECT_EQ(story.engine.state(), EngineState::stopped);
}

TEST(Engine, MakesWayOnceNobodyUsesIt) {
    Story story;
    EXPECT_EQ(story.make_way(1), "confirm:1");
    story.ask(2);
    story.ready();
    EXPECT_EQ(story.make_way(3), "");
    EXPECT_EQ(story.make_way(4), "");
    EXPECT_EQ(story.release(2), "terminate");
    EXPECT_EQ(story.exited(), "confirm:3 confirm:4");
}

TEST(Engine, AnUnloadedEngineStartsAgainForWhoCameMeanwhile) {
    Story story;
    story.ask(1);
    story.ready();
    story.release(1);
    story.unload(2);
    EXPECT_EQ(story.ask(3), "");
    EXPECT_EQ(story.exited(), "confirm:2 start");
}

TEST(Engine, AnUnloadThatNobodyWaitsForIsStillDone) {
    Story story;
    story.ask(1);
    story.ready();
    story.release(1);
    EXPECT_EQ(story.unload(2), "terminate");
    story.engine.withdraw(2);
    EXPECT_EQ(story.exited(), "");
}

TEST(Engine, IsKilledInTheMiddleOfItsWorkWithoutFault) {
    Story story;
    story.ask(1);
    story.ready();
    EXPECT_EQ(story.kill(2), "kill");
    EXPECT_EQ(story.kill(3), "");
    EXPECT_EQ(story.ask(4), "");
    EXPECT_EQ(story.exited(), "confirm:2 confirm:3 start");
    EXPECT_EQ(story.engine.last_error(), "");
    EXPECT_EQ(story.ready(), "grant:4");
    EXPECT_EQ(story.engine.restarts(), 0);
}

TEST(Engine, IsKilledWhenItsCallerLeavesIfItWouldWorkOn) {
    Story story;
    story.ask(1);
    story.ready();
    EXPECT_EQ(story.release(1, Engine::Work::unfinished), "");

    story.engine = Engine(EngineSpec{.name = "sd", .command = {"x"}, .kill_on_hangup = true});
    story.ask(1);
    story.ready();
    story.ask(2);
    EXPECT_EQ(story.release(1, Engine::Work::unfinished), "") << "somebody else uses it";
    EXPECT_EQ(story.release(2, Engine::Work::unfinished), "kill");
    EXPECT_EQ(story.ask(3), "");
    EXPECT_EQ(story.exited(), "start");
    EXPECT_EQ(story.ready(), "grant:3");
    EXPECT_EQ(story.release(3), "");
}

TEST(Engine, KilledWhileItStartsItRefusesItsWaiters) {
    Story story;
    story.ask(1);
    EXPECT_EQ(story.kill(2), "refuse:1 kill");
    EXPECT_EQ(story.refusal, "the start of tiny was cancelled");
    EXPECT_EQ(story.exited(), "confirm:2");
    EXPECT_EQ(story.engine.state(), EngineState::stopped);
    EXPECT_EQ(story.kill(3), "confirm:3");
}

}  // namespace
}  // namespace device
