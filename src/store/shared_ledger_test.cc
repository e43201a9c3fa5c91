#include "store/shared_ledger.h"

#include "store/test_redis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace store {
namespace {

using namespace std::chrono_literals;
using quota::Reset;

quota::Rule rule(Reset reset, base::Duration span, double limit) {
    quota::Rule rule;
    rule.reset = reset;
    rule.span = span;
    rule.window = "test";
    rule.limit = limit;
    return rule;
}

/// Who counts for real, and sees all gateways' calls.
class Provider {
public:
    void count(double amount) {
        const std::lock_guard lock(mutex_);
        calls_.push_back({base::Now::read(), amount});
    }
    double total() const {
        return sum([](const Call&) { return true; });
    }
    double since(base::Time time) const {
        return sum([&](const Call& call) { return call.at.steady >= time; });
    }
    /// The most that it would have counted at any instant under `rule`.
    double most(const quota::Rule& rule) const {
        const std::lock_guard lock(mutex_);
        double most = 0;
        double used = 0;
        std::deque<Call> inside;
        std::optional<Call> before;
        base::WallTime end{};
        for (const Call& call : calls_) {
            if (rule.reset == Reset::token_bucket && before)
                used -= std::min(used, *rule.limit * ((call.at.steady - before->at.steady) /
                                                      std::chrono::duration<double>(rule.span)));
            while (rule.reset == Reset::rolling && !inside.empty() &&
                   inside.front().at.steady + rule.span <= call.at.steady) {
                used -= inside.front().amount;
                inside.pop_front();
            }
            if (call.at.wall >= end && windowed(rule.reset)) {
                end = rule.reset == Reset::first_use ? call.at.wall + rule.span
                      : rule.reset == Reset::fixed
                          ? quota::aligned(call.at.wall, rule.span, rule.time_zone).end
                          : quota::month_around(call.at.wall, rule.time_zone).end;
                used = 0;
            }
            used += call.amount;
            most = std::max(most, used);
            inside.push_back(call);
            before = call;
        }
        return most;
    }

private:
    struct Call {
        base::Now at;
        double amount = 0;
    };
    static bool windowed(Reset reset) {
        return reset == Reset::first_use || reset == Reset::fixed || reset == Reset::calendar_month;
    }
    template <class Which>
    double sum(const Which& which) const {
        const std::lock_guard lock(mutex_);
        double sum = 0;
        for (const Call& call : calls_) sum += which(call) ? call.amount : 0;
        return sum;
    }
    mutable std::mutex mutex_;
    std::vector<Call> calls_;
};

/// One gateway with one limit, and clients that ask it all the time.
class Gateway {
public:
    Gateway(const std::string& url, const quota::Rule& rule, Provider& provider, std::string id)
        : bucket_("model:test/a requests/test", rule), provider_(provider) {
        auto opened = SharedLedger::open(
            url,
            [this](const SharedLedger::Act& act) {
                const std::lock_guard lock(mutex_);
                if (!dead_) act(bucket_);
            },
            std::move(id));
        EXPECT_TRUE(opened.has_value());
        ledger_ = std::move(*opened);
        ledger_->start();
    }
    ~Gateway() { quiet(); }

    /// One call that needs `estimate`, if it is there; the provider counts `used` of it.
    std::optional<quota::Hold> begin(double estimate, double used) {
        const base::Now now = base::Now::read();
        const std::lock_guard lock(mutex_);
        const bool there = !dead_ && bucket_.available(now) >= estimate;
        if (there && bucket_.granted(now) >= estimate) {
            const quota::Hold hold = bucket_.hold(estimate, now);
            provider_.count(used);
            bucket_.charge(hold, base::Now::read());
            return hold;
        }
        if (there) ledger_->want(bucket_.key(), estimate);
        return std::nullopt;
    }
    void end(const quota::Hold& hold, double used) {
        const std::lock_guard lock(mutex_);
        if (!dead_) bucket_.settle(hold, used, base::Now::read());
    }
    void hammer(int threads, double estimate, double used) {
        for (int i = 0; i < threads; ++i)
            clients_.emplace_back([this, estimate, used] {
                while (!quiet_) {
                    if (const auto hold = begin(estimate, used)) end(*hold, used);
                    std::this_thread::sleep_for(3ms);
                }
            });
    }
    void quiet() {
        quiet_ = true;
        for (std::thread& client : clients_) client.join();
        clients_.clear();
    }
    /// From now on nothing is called, reported or returned.
    void die() {
        const std::lock_guard lock(mutex_);
        dead_ = true;
    }
    double granted() {
        const std::lock_guard lock(mutex_);
        return bucket_.granted(base::Now::read());
    }
    SharedLedger& ledger() { return *ledger_; }

private:
    std::mutex mutex_;
    quota::Bucket bucket_;
    bool dead_ = false;
    Provider& provider_;
    std::atomic<bool> quiet_ = false;
    std::vector<std::thread> clients_;
    std::unique_ptr<SharedLedger> ledger_;
};

class SharedLedgerTest : public testing::Test {
protected:
    void SetUp() override {
        if (!TestRedis::installed()) GTEST_SKIP() << "install redis-tools";
        server_ = std::make_unique<TestRedis>();
    }
    std::vector<std::unique_ptr<Gateway>> three(const quota::Rule& rule) {
        std::vector<std::unique_ptr<Gateway>> gateways;
        for (const char* id : {"a", "b", "c"})
            gateways.push_back(std::make_unique<Gateway>(server_->url(), rule, provider_, id));
        return gateways;
    }
    std::unique_ptr<TestRedis> server_;
    Provider provider_;
};

class EveryReset : public SharedLedgerTest, public testing::WithParamInterface<Reset> {};

TEST_P(EveryReset, ThreeGatewaysTogetherUseTheLimitAndNoMore) {
    const auto limit = rule(GetParam(), 2s, 200);
    auto gateways = three(limit);
    for (auto& gateway : gateways) gateway->hammer(3, 1, 1);
    std::this_thread::sleep_for(5s);
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.most(limit), 200);
    EXPECT_GE(provider_.most(limit), 190);
    const bool returns = GetParam() != Reset::lifetime && GetParam() != Reset::calendar_month;
    EXPECT_GE(provider_.total(), returns ? 380 : 190);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryReset,
                         testing::Values(Reset::token_bucket, Reset::rolling, Reset::fixed,
                                         Reset::calendar_month, Reset::first_use, Reset::lifetime),
                         [](const auto& kind) { return std::string(quota::name(kind.param)); });

TEST_F(SharedLedgerTest, EstimatesThatWereTooHighGoBackToAll) {
    auto limit = rule(Reset::lifetime, 0ms, 100'000);
    limit.metric = quota::Metric::tokens;
    auto gateways = three(limit);
    for (auto& gateway : gateways) gateway->hammer(3, 3'000, 500);
    EXPECT_TRUE(eventually(15s, [&] { return provider_.total() >= 95'000; }));
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.total(), 100'000);
}

TEST_F(SharedLedgerTest, AnEstimateOfAnEarlierWindowGivesNothingBackInThisOne) {
    const auto limit = rule(Reset::fixed, 4s, 100);
    auto gateways = three(limit);
    const auto next_window = [&] {
        const auto end = quota::aligned(base::WallClock::now(), limit.span, "UTC").end;
        std::this_thread::sleep_until(end + 5ms);
    };
    next_window();
    std::optional<quota::Hold> hold;
    EXPECT_TRUE(eventually(2s, [&] { return (hold = gateways[0]->begin(40, 40)).has_value(); }));
    next_window();
    const base::Time begin = base::Clock::now();
    gateways[1]->hammer(2, 1, 1);
    gateways[2]->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(3s, [&] { return provider_.since(begin) >= 60; }));
    gateways[0]->end(*hold, 0);
    next_window();
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.most(limit), 100);
}

TEST_F(SharedLedgerTest, WhatIdleGatewaysHoldGoesToTheOneThatNeedsIt) {
    auto gateways = three(rule(Reset::lifetime, 0ms, 200));
    EXPECT_TRUE(eventually(5s, [&] {
        return std::ranges::all_of(gateways, [](auto& g) { return g->granted() > 0; });
    }));
    gateways[0]->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(10s, [&] { return provider_.total() == 200; }));
}

TEST_F(SharedLedgerTest, StoppingGivesBack) {
    auto gateways = three(rule(Reset::lifetime, 0ms, 12));
    EXPECT_TRUE(
        eventually(5s, [&] { return gateways[0]->granted() > 0 && gateways[1]->granted() > 0; }));
    gateways[0]->ledger().stop();
    gateways[1]->ledger().stop();
    gateways[2]->hammer(1, 1, 1);
    EXPECT_TRUE(eventually(5s, [&] { return provider_.total() == 12; }));
}

TEST_F(SharedLedgerTest, WhatADeadGatewayHeldCountsAndReturnsWithTheWindow) {
    const auto limit = rule(Reset::rolling, 2s, 200);
    auto gateways = three(limit);
    for (auto& gateway : gateways) gateway->hammer(3, 1, 1);
    std::this_thread::sleep_for(700ms);
    gateways[0]->die();
    std::this_thread::sleep_for(6s);
    const base::Time begin = base::Clock::now();
    std::this_thread::sleep_for(2s);
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.most(limit), 200);
    EXPECT_GE(provider_.since(begin), 170);
}

TEST_F(SharedLedgerTest, ADeadGatewaysLifetimeGrantIsNeverSpentTwice) {
    const auto limit = rule(Reset::lifetime, 0ms, 300);
    auto gateways = three(limit);
    for (auto& gateway : gateways) gateway->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(5s, [&] { return provider_.total() > 60; }));
    gateways[0]->die();
    EXPECT_TRUE(eventually(10s, [&] { return provider_.total() >= 240; }));
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.total(), 300);
}

TEST_F(SharedLedgerTest, CutOffEachKeepsToWhatItHolds) {
    const auto limit = rule(Reset::fixed, 3'600s, 3'000);
    auto gateways = three(limit);
    EXPECT_TRUE(eventually(5s, [&] {
        return std::ranges::all_of(gateways, [](auto& g) { return g->granted() > 0; });
    }));
    server_->kill();
    double held = 0;
    for (auto& gateway : gateways) {
        EXPECT_TRUE(eventually(5s, [&] { return !gateway->ledger().status().connected; }));
        EXPECT_FALSE(gateway->ledger().status().problem.empty());
        held += gateway->granted();
    }
    for (auto& gateway : gateways) gateway->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(5s, [&] { return provider_.total() == held; }));
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(provider_.total(), held);
}

TEST_F(SharedLedgerTest, ARedisThatLostItsDataIsToldAgain) {
    const auto limit = rule(Reset::lifetime, 0ms, 600);
    auto gateways = three(limit);
    gateways[0]->hammer(1, 1, 1);
    gateways[1]->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(10s, [&] { return provider_.total() > 150; }));
    server_->kill();
    server_->start();
    gateways[2]->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(15s, [&] { return provider_.total() >= 570; }));
    std::this_thread::sleep_for(300ms);
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.total(), 600);
}

TEST_F(SharedLedgerTest, AStoppedRedisIsNoticedAndNothingIsCountedTwice) {
    const auto limit = rule(Reset::lifetime, 0ms, 400);
    auto gateways = three(limit);
    for (auto& gateway : gateways) gateway->hammer(2, 1, 1);
    EXPECT_TRUE(eventually(5s, [&] { return provider_.total() > 50; }));
    ::kill(server_->pid(), SIGSTOP);
    EXPECT_TRUE(eventually(5s, [&] { return !gateways[0]->ledger().status().connected; }));
    ::kill(server_->pid(), SIGCONT);
    EXPECT_TRUE(eventually(10s, [&] { return provider_.total() >= 380; }));
    for (auto& gateway : gateways) gateway->quiet();
    EXPECT_LE(provider_.total(), 400);
}

TEST_F(SharedLedgerTest, LogsInAndSaysWhenItCannot) {
    const TestRedis locked("sesame");
    const auto limit = rule(Reset::lifetime, 0ms, 10);
    Gateway known(locked.url(), limit, provider_, "known");
    EXPECT_TRUE(eventually(5s, [&] { return known.granted() > 0; }));
    std::string wrong = locked.url();
    wrong.replace(wrong.find("sesame"), 6, "simsim");
    Gateway stranger(wrong, limit, provider_, "stranger");
    EXPECT_TRUE(eventually(5s, [&] { return !stranger.ledger().status().problem.empty(); }));
    EXPECT_EQ(stranger.ledger().status().problem.find("simsim"), std::string::npos);
}

}  // namespace
}  // namespace store
