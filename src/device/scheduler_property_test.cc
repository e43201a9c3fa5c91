#include "device/scheduler_simulator.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <numeric>

namespace device::simulator {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kGb = 1'000'000'000;
constexpr int kSeeds = 1'500;

/// Makes worlds of which every figure is drawn.
class Dice {
public:
    explicit Dice(unsigned seed) : random_(seed) {}

    int number(int least, int most) {
        return std::uniform_int_distribution<>(least, most)(random_);
    }
    std::size_t index(std::size_t size) {
        return static_cast<std::size_t>(number(0, static_cast<int>(size) - 1));
    }
    Duration between(Duration least, Duration most) {
        return Duration(
            std::uniform_int_distribution<Duration::rep>(least.count(), most.count())(random_));
    }
    bool chance(int percent) { return number(1, 100) <= percent; }

private:
    std::mt19937_64 random_;
};

constexpr Duration kLongestWork = 8s;
constexpr Duration kLongestLoad = 6s;
constexpr Duration kLongestUnload = 2s;

std::vector<Model> some_models(Dice& dice) {
    std::vector<Model> models;
    const int engines = dice.number(1, 3);
    for (int engine = 0; engine < engines; ++engine) {
        const int holds = dice.chance(30) ? 1 : 0;
        for (int i = dice.number(1, 3); i > 0; --i) {
            const ModelKey key{"e" + std::to_string(engine), "m" + std::to_string(i)};
            const auto real = static_cast<std::uint64_t>(dice.number(1, 8)) * kGb;
            const std::uint64_t declared = dice.chance(50)   ? real
                                           : dice.chance(50) ? real * 5 / 4
                                                             : 0;
            const int slots = dice.chance(50) ? 0 : dice.number(1, 2);
            const auto priority = static_cast<Priority>(dice.number(0, 2));
            models.push_back({key,
                              real,
                              {key, declared, slots, priority, holds},
                              dice.between(500ms, kLongestLoad)});
        }
    }
    return models;
}

World quiet_world(unsigned seed) {
    Dice dice(seed);
    World world;
    world.seed = seed;
    world.terms.jobs = dice.chance(60) ? 0 : dice.number(1, 3);
    world.terms.most_waiting = static_cast<std::size_t>(dice.number(2, 8));
    world.terms.patience = dice.between(2s, 20s);
    if (dice.chance(80)) world.terms.budget = static_cast<std::uint64_t>(dice.number(10, 20)) * kGb;
    world.models = some_models(dice);
    world.says_bytes = dice.chance(80);
    world.poll = dice.between(200ms, 2s);
    const Duration spacing = dice.between(100ms, 3s);
    Duration at = 0s;
    for (int i = 0; i < 60; ++i) {
        at += dice.between(0s, spacing * 2);
        world.requests.push_back(
            {at, dice.index(world.models.size()), dice.between(100ms, kLongestWork), {}});
    }
    return world;
}

void add_trouble(World& world) {
    Dice dice(world.seed + 1);
    world.goes_on_loading = 0.5;
    world.unload_fails = dice.chance(50) ? 0.2 : 0;
    world.load_fails = dice.chance(50) ? 0.2 : 0;
    world.unreachable = dice.chance(50) ? 0.1 : 0;
    world.dies = dice.chance(30) ? 0.02 : 0;
    for (Request& request : world.requests)
        if (dice.chance(30)) request.leaves_after = dice.between(0s, 20s);
    if (!world.terms.budget) return;
    const Duration end = world.requests.back().at;
    if (dice.chance(50)) {
        for (Duration at = 0s; at < end; at += dice.between(2s, 20s))
            world.hog.emplace_back(at, static_cast<std::uint64_t>(dice.number(0, 12)) * kGb);
        world.hog.emplace_back(end, 0);
    }
    for (int i = dice.number(0, 5); i > 0; --i)
        world.strangers.push_back(
            {dice.between(0s, end), dice.index(world.models.size()), dice.between(0s, 10s)});
}

/// One after the other, all that may be before somebody: who waits, and who holds.
Duration longest_wait(const World& world) {
    const auto before = static_cast<int>(world.terms.most_waiting) + 1;
    return world.terms.patience + before * (kLongestWork + kLongestLoad + kLongestUnload);
}

std::string problems(const Report& report) {
    return std::accumulate(
        report.problems.begin(), report.problems.end(), std::string(),
        [](std::string all, const std::string& one) { return all + one + '\n'; });
}

TEST(SchedulerProperty, H2H3NothingIsOverCommittedAndEverybodyIsServed) {
    int loads = 0;
    for (unsigned seed = 1; seed <= kSeeds; ++seed) {
        const World world = quiet_world(seed);
        const Report report = play(world);
        ASSERT_EQ(problems(report), "") << "seed " << seed;
        ASSERT_LE(std::ranges::max(report.waits), longest_wait(world)) << "seed " << seed;
        loads += report.loads;
    }
    EXPECT_GT(loads, kSeeds) << "the worlds are too easy";
}

TEST(SchedulerProperty, H1H3H5ItHoldsAmidHangUpsFailuresStrangersAndAHog) {
    int evictions = 0;
    for (unsigned seed = 1; seed <= kSeeds; ++seed) {
        World world = quiet_world(seed);
        add_trouble(world);
        const Report report = play(world);
        ASSERT_EQ(problems(report), "") << "seed " << seed;
        evictions += report.evictions;
    }
    EXPECT_GT(evictions, kSeeds) << "the worlds are too easy";
}

}  // namespace
}  // namespace device::simulator
