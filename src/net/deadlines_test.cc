#include "net/deadlines.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

using namespace net;
using namespace std::chrono_literals;

namespace {

/// A loop whose alarms write their names down.
struct Bell {
    asio::io_context loop{1};
    Deadlines deadlines{loop.get_executor()};
    std::string rung;
    base::Time start = base::Clock::now();

    std::unique_ptr<Deadlines::Alarm> alarm(char name) {
        return std::make_unique<Deadlines::Alarm>(deadlines, [this, name] { rung += name; });
    }
    /// Runs until nothing is due any more; the alarms in use are all short.
    void run() { loop.run_until(start + 10s); }
    base::Duration passed() const {
        return std::chrono::duration_cast<base::Duration>(base::Clock::now() - start);
    }
};

}  // namespace

TEST(Deadlines, RingInTheOrderOfTheirTimes) {
    Bell bell;
    const auto a = bell.alarm('a');
    const auto b = bell.alarm('b');
    const auto c = bell.alarm('c');
    c->set(bell.start + 30ms);
    a->set(bell.start + 10ms);
    b->set(bell.start + 20ms);
    bell.run();
    EXPECT_EQ(bell.rung, "abc");
    EXPECT_GE(bell.passed(), 30ms);
}

TEST(Deadlines, RingOnceForEachSet) {
    Bell bell;
    const auto a = bell.alarm('a');
    a->set(bell.start + 5ms);
    bell.run();
    EXPECT_EQ(bell.rung, "a");
    bell.loop.restart();
    a->set(bell.start);
    bell.run();
    EXPECT_EQ(bell.rung, "aa") << "a time that has passed rings at once";
}

TEST(Deadlines, MovedLaterRingsLater) {
    Bell bell;
    const auto a = bell.alarm('a');
    const auto b = bell.alarm('b');
    a->set(bell.start + 5ms);
    b->set(bell.start + 20ms);
    for (int i = 0; i < 1000; ++i) a->set(bell.start + 5ms + base::Duration(i) / 20);
    a->set(bell.start + 40ms);
    bell.run();
    EXPECT_EQ(bell.rung, "ba");
    EXPECT_GE(bell.passed(), 40ms);
}

TEST(Deadlines, MovedEarlierRingsEarlier) {
    Bell bell;
    const auto a = bell.alarm('a');
    const auto b = bell.alarm('b');
    a->set(bell.start + 5s);
    b->set(bell.start + 30ms);
    a->set(bell.start + 10ms);
    bell.run();
    EXPECT_EQ(bell.rung, "ab");
    EXPECT_LT(bell.passed(), 5s);
}

TEST(Deadlines, MovedLaterAndBackRingsInTime) {
    Bell bell;
    const auto a = bell.alarm('a');
    a->set(bell.start + 20ms);
    a->set(bell.start + 9s);
    a->set(bell.start + 40ms);
    bell.run();
    EXPECT_EQ(bell.rung, "a");
    EXPECT_GE(bell.passed(), 40ms);
    EXPECT_LT(bell.passed(), 9s);
}

TEST(Deadlines, ClearedNeverRings) {
    Bell bell;
    const auto a = bell.alarm('a');
    const auto b = bell.alarm('b');
    a->set(bell.start + 5ms);
    b->set(bell.start + 20ms);
    a->clear();
    bell.run();
    EXPECT_EQ(bell.rung, "b");
    bell.loop.restart();
    a->set(base::Clock::now() + 5ms);
    bell.run();
    EXPECT_EQ(bell.rung, "ba") << "but it can be set again";
}

TEST(Deadlines, NeverIsNoTime) {
    Bell bell;
    const auto a = bell.alarm('a');
    a->set(base::Time::max());
    bell.run();
    EXPECT_EQ(bell.rung, "");
    EXPECT_LT(bell.passed(), 5s) << "and it keeps no loop alive";
}

TEST(Deadlines, DestroyedIsForgotten) {
    Bell bell;
    auto a = bell.alarm('a');
    const auto b = bell.alarm('b');
    a->set(bell.start + 5ms);
    b->set(bell.start + 10ms);
    a.reset();
    bell.run();
    EXPECT_EQ(bell.rung, "b");
}

TEST(Deadlines, AnAlarmMayDestroyItselfAndOthersWhenItRings) {
    Bell bell;
    std::unique_ptr<Deadlines::Alarm> first;
    std::unique_ptr<Deadlines::Alarm> second = bell.alarm('s');
    const auto third = bell.alarm('t');
    struct Slots {
        std::unique_ptr<Deadlines::Alarm>& first;
        std::unique_ptr<Deadlines::Alarm>& second;
        std::string& rung;
    } slots{first, second, bell.rung};
    first = std::make_unique<Deadlines::Alarm>(bell.deadlines, [&slots] {
        Slots& kept = slots;
        kept.rung += 'f';
        kept.second.reset();
        kept.first.reset();
    });
    first->set(bell.start + 5ms);
    second->set(bell.start + 5ms);
    third->set(bell.start + 5ms);
    bell.run();
    EXPECT_EQ(bell.rung, "ft");
    EXPECT_EQ(first, nullptr);
}

TEST(Deadlines, MayBeSetAgainWhileRinging) {
    Bell bell;
    int times = 0;
    std::unique_ptr<Deadlines::Alarm> alarm;
    alarm = std::make_unique<Deadlines::Alarm>(bell.deadlines, [&] {
        if (++times < 5) alarm->set(base::Clock::now() + 2ms);
    });
    alarm->set(bell.start + 2ms);
    bell.run();
    EXPECT_EQ(times, 5);
}

TEST(Deadlines, OneRingSetsAnotherForWhatHasPassed) {
    Bell bell;
    const auto late = bell.alarm('l');
    Deadlines::Alarm first(bell.deadlines, [&] {
        bell.rung += 'f';
        late->set(bell.start);
    });
    first.set(bell.start + 5ms);
    bell.run();
    EXPECT_EQ(bell.rung, "fl");
}

TEST(Deadlines, ManyAlarmsRingInOrder) {
    Bell bell;
    constexpr int kMany = 2000;
    std::vector<int> order;
    std::vector<std::unique_ptr<Deadlines::Alarm>> alarms;
    for (int i = 0; i < kMany; ++i)
        alarms.push_back(std::make_unique<Deadlines::Alarm>(bell.deadlines,
                                                            [&order, i] { order.push_back(i); }));
    for (int i = 0; i < kMany; ++i) {
        const int scattered = (i * 733) % kMany;
        alarms[static_cast<std::size_t>(scattered)]->set(bell.start +
                                                         std::chrono::microseconds(20 * scattered));
    }
    for (int i = 0; i < kMany; i += 2) alarms[static_cast<std::size_t>(i)]->clear();
    bell.run();
    ASSERT_EQ(order.size(), static_cast<std::size_t>(kMany / 2));
    for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], static_cast<int>(2 * i + 1));
}
