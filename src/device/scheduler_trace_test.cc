#include "device/scheduler_simulator.h"

#include <gtest/gtest.h>

#include <cstdio>

/// How often models are loaded for the requests of one short trace, next to what a mutex does (one
/// request after the other, all else sent away before) and to the least that is possible.
namespace device::simulator {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kGb = 1'000'000'000;
constexpr std::string_view kTrace = "ABAACABC";

/// Requests in this order on a device where `fit` models fit: the fewest loads (Belady).
int loads_in_order(std::string_view order, std::size_t fit) {
    std::string held;
    int loads = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (held.contains(order[i])) continue;
        ++loads;
        if (held.size() == fit) {
            const auto next_use = [&](char model) { return order.find(model, i); };
            held.erase(std::ranges::max_element(held, {}, next_use));
        }
        held += order[i];
    }
    return loads;
}

/// In whatever order.
int fewest_loads(std::string_view trace, std::size_t fit) {
    std::string order(trace);
    std::ranges::sort(order);
    int fewest = loads_in_order(order, fit);
    while (std::ranges::next_permutation(order).found)
        fewest = std::min(fewest, loads_in_order(order, fit));
    return fewest;
}

/// The mutex keeps one model, whatever fits.
int mutex_loads(std::string_view trace) { return loads_in_order(trace, 1); }

World world_of(std::string_view trace, std::uint64_t fit, Duration spacing, int jobs) {
    World world;
    world.terms.budget = (fit * 8 + 2) * kGb;
    world.terms.jobs = jobs;
    for (const char letter : {'A', 'B', 'C'}) {
        const ModelKey key{"ollama", std::string(1, letter)};
        world.models.push_back({key, 8 * kGb, {key, 8 * kGb}, 4s});
    }
    for (std::size_t i = 0; i < trace.size(); ++i)
        world.requests.push_back({spacing * static_cast<int>(i) + 1ms,
                                  static_cast<std::size_t>(trace[i] - 'A'),
                                  2s,
                                  {}});
    return world;
}

struct Case {
    const char* name;
    std::size_t fit;
    Duration spacing;
    int jobs;
};

TEST(SchedulerTrace, LoadsAreWithinAFifthOfTheFewestPossible) {
    std::printf("%-44s %6s %6s %14s %9s\n", "A B A A C A B C", "mutex", "ours", "best in order",
                "best");
    for (const auto& [name, fit, spacing, jobs] :
         {Case{"one fits, all at once, one job at a time", 1, 0s, 1},
          Case{"one fits, all at once", 1, 0s, 0},
          Case{"one fits, one a second, leases of 2 s, one job", 1, 1s, 1},
          Case{"one fits, one a second, leases of 2 s", 1, 1s, 0},
          Case{"two fit, all at once, one job at a time", 2, 0s, 1},
          Case{"two fit, all at once", 2, 0s, 0},
          Case{"two fit, one a second, leases of 2 s, one job", 2, 1s, 1},
          Case{"two fit, one a second, leases of 2 s", 2, 1s, 0}}) {
        const Report report = play(world_of(kTrace, fit, spacing, jobs));
        ASSERT_TRUE(report.problems.empty()) << report.problems.front();
        const int in_order = loads_in_order(kTrace, fit);
        const int best = fewest_loads(kTrace, fit);
        std::printf("%-44s %6d %6d %14d %9d\n", name, mutex_loads(kTrace), report.loads, in_order,
                    best);
        EXPECT_LE(report.loads, 1.2 * best) << name;
        EXPECT_LE(report.loads, 1.2 * in_order) << name;
    }
}

TEST(SchedulerTrace, UnderOverloadItLoadsMuchLessThanAMutexAndWaitsLess) {
    std::mt19937_64 random(1);
    int mutex = 0;
    int ours = 0;
    Duration mutex_time{0};
    Duration our_time{0};
    for (int round = 0; round < 100; ++round) {
        std::string trace;
        for (int i = 0; i < 60; ++i) trace += static_cast<char>('A' + random() % 3);
        const Report report = play(world_of(trace, 1, 2s, 1));
        ASSERT_TRUE(report.problems.empty()) << report.problems.front();
        mutex += mutex_loads(trace);
        ours += report.loads;
        mutex_time += mutex_loads(trace) * 4s + 60 * 2s;
        our_time += report.end;
    }
    std::printf(
        "60 requests of 3 models, one every 2 s, leases of 2 s: mutex %.1f loads, %.0f s; "
        "ours %.1f loads, %.0f s\n",
        mutex / 100.0, double(mutex_time.count()) / 1e5, ours / 100.0,
        double(our_time.count()) / 1e5);
    EXPECT_LT(ours * 2, mutex);
}

TEST(SchedulerTrace, OneRequestAgainstAnEndlessStreamForAnotherModelIsServed) {
    World world = world_of("", 1, 0s, 0);
    for (int second = 0; second < 3'600; ++second)
        world.requests.push_back({Duration(second * 1'000), 0, 3s, {}});
    world.requests.push_back({600s, 1, 3s, {}});
    world.requests.push_back({1'200s, 2, 3s, {}});
    const Report report = play(world);
    ASSERT_TRUE(report.problems.empty()) << report.problems.front();
    const Duration drained = world.terms.patience + 3s + 2s;
    EXPECT_LE(report.waits[3'600], drained);
    EXPECT_LE(report.waits[3'601], drained);
    EXPECT_EQ(report.loads, 5) << "A B A C A";
}

}  // namespace
}  // namespace device::simulator
