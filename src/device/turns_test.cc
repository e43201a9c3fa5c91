#include "device/turns.h"

#include <gtest/gtest.h>

namespace device {
namespace {

using Kind = Turns::Action::Kind;

/// What was asked for, written `ask:a:1 clear:b refuse:2`.
struct Story {
    Turns turns;
    std::string refusal;

    std::string actions() {
        std::string text;
        for (const Turns::Action& action : turns.take_actions()) {
            if (!text.empty()) text += ' ';
            const std::string ticket = std::to_string(action.ticket);
            if (action.kind == Kind::ask) text += "ask:" + action.engine + ':' + ticket;
            if (action.kind == Kind::clear) text += "clear:" + action.engine;
            if (action.kind == Kind::refuse) text += "refuse:" + ticket;
            if (action.kind == Kind::refuse) refusal = action.error.detail;
        }
        return text;
    }
    std::string ask(Turns::Ticket ticket, const std::string& engine,
                    WhenBusy when_busy = WhenBusy::wait) {
        turns.ask(ticket, engine, when_busy);
        return actions();
    }
    std::string ended(Turns::Ticket ticket) {
        turns.ended(ticket);
        return actions();
    }
    std::string cleared() {
        turns.cleared();
        return actions();
    }
    /// Asks, and gets its turn at once.
    void let_in(Turns::Ticket ticket, const std::string& engine) {
        EXPECT_EQ(ask(ticket, engine), "clear:" + engine);
        EXPECT_EQ(cleared(), "ask:" + engine + ':' + std::to_string(ticket));
    }
};

TEST(Turns, OneRequestAtATimeInTheOrderOfComing) {
    Story story;
    story.let_in(1, "a");
    EXPECT_EQ(story.ask(2, "a"), "");
    EXPECT_EQ(story.ask(3, "a"), "");
    EXPECT_EQ(story.ended(1), "clear:a");
    EXPECT_EQ(story.cleared(), "ask:a:2");
    EXPECT_EQ(story.ended(1), "");
    EXPECT_EQ(story.ended(2), "clear:a");
    EXPECT_EQ(story.cleared(), "ask:a:3");
    EXPECT_EQ(story.ended(3), "");
}

TEST(Turns, OtherEnginesAreGoneBeforeTheNextStarts) {
    Story story;
    story.let_in(1, "a");
    EXPECT_EQ(story.ask(2, "b"), "");
    EXPECT_EQ(story.ended(1), "clear:b");
    EXPECT_EQ(story.ask(3, "a"), "");
    EXPECT_EQ(story.cleared(), "ask:b:2");
    EXPECT_EQ(story.ended(2), "clear:a");
    EXPECT_EQ(story.cleared(), "ask:a:3");
}

TEST(Turns, WhoLeftTheLineNeverCausesALoad) {
    Story story;
    story.let_in(1, "a");
    story.ask(2, "b");
    EXPECT_EQ(story.ended(2), "");
    EXPECT_EQ(story.ended(1), "");
    story.let_in(3, "a");
}

TEST(Turns, WhoLeavesWhileRoomIsMadeIsNotLetIn) {
    Story story;
    EXPECT_EQ(story.ask(2, "b"), "clear:b");
    EXPECT_EQ(story.ended(2), "");
    EXPECT_EQ(story.ask(3, "c"), "");
    EXPECT_EQ(story.cleared(), "clear:c") << "b stayed";
    EXPECT_EQ(story.cleared(), "ask:c:3");
}

TEST(Turns, WhoDoesNotWaitIsRefusedWhileSomebodyIsIn) {
    Story story;
    EXPECT_EQ(story.ask(1, "a", WhenBusy::refuse), "clear:a");
    EXPECT_EQ(story.cleared(), "ask:a:1");
    EXPECT_EQ(story.ask(2, "b", WhenBusy::refuse), "refuse:2");
    EXPECT_EQ(story.refusal, "a is busy: another load or generation is in progress");
    story.ended(1);
    EXPECT_EQ(story.ask(3, "a", WhenBusy::refuse), "clear:a");
}

TEST(Turns, TheLineIsBounded) {
    Story story;
    story.let_in(1, "a");
    for (Turns::Ticket ticket = 2; ticket < 2 + Turns::kMostWaiting; ++ticket)
        EXPECT_EQ(story.ask(ticket, "a"), "");
    EXPECT_EQ(story.ask(1000, "a"), "refuse:1000");
}

}  // namespace
}  // namespace device
