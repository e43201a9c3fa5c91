#include "store/usage_log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace store {
namespace {

UsageRow row(std::int64_t second, const std::string& alias, const std::string& outcome = "served") {
    return {.second = second,
            .alias = alias,
            .target = "groq/" + alias,
            .tier = "free",
            .outcome = outcome,
            .calls = 1,
            .input_tokens = 10,
            .cached_tokens = 4,
            .output_tokens = 5,
            .estimated = 1,
            .cost_usd = 0.5,
            .ms = 20};
}

TEST(UsageLog, AddsUpWhatEndedAlikeInOneSecond) {
    UsageLog log(100);
    for (int i = 0; i < 3; ++i) log.add(row(7, "llama"));
    log.add(row(7, "llama", "timeout"));
    log.add(row(7, "qwen"));
    log.add(row(8, "llama"));
    log.add(row(7, "llama"));
    const auto rows = log.take();
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(rows[0].second, 7);
    EXPECT_EQ(rows[0].alias, "llama");
    EXPECT_EQ(rows[0].calls, 4u);
    EXPECT_EQ(rows[0].input_tokens, 40u);
    EXPECT_EQ(rows[0].cached_tokens, 16u);
    EXPECT_EQ(rows[0].output_tokens, 20u);
    EXPECT_EQ(rows[0].estimated, 4u);
    EXPECT_DOUBLE_EQ(rows[0].cost_usd, 2.0);
    EXPECT_EQ(rows[0].ms, 80u);
    EXPECT_EQ(rows[1].outcome, "timeout");
    EXPECT_EQ(rows[3].second, 8);
}

TEST(UsageLog, BeginsNewRowsOnceTheOldWereTaken) {
    UsageLog log(100);
    log.add(row(7, "llama"));
    EXPECT_EQ(log.take().size(), 1u);
    log.add(row(7, "llama"));
    const auto rows = log.take();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].calls, 1u);
    EXPECT_TRUE(log.take().empty());
}

TEST(UsageLog, DropsAndCountsWhatIsTooMuch) {
    UsageLog log(1000);
    for (int i = 0; i < 600; ++i) log.add(row(i, "llama"));
    EXPECT_EQ(log.take().size(), 600u);
    for (int i = 0; i < 450; ++i) log.add(row(i, "llama"));
    log.add(row(399, "llama"));
    EXPECT_EQ(log.counts().waiting, 1000u);
    EXPECT_EQ(log.counts().lost, 50u);
    log.saved();
    EXPECT_EQ(log.counts().waiting, 400u);
    log.add(row(9'999, "llama"));
    EXPECT_EQ(log.counts().waiting, 401u);
    EXPECT_EQ(log.counts().lost, 50u);
}

TEST(UsageLog, CountsEveryCallOfManyKeysAndSeveralThreads) {
    constexpr int kEach = 20'000;
    UsageLog log(100'000);
    std::uint64_t taken = 0;
    {
        const auto add_all = [&log] {
            for (int i = 0; i < kEach; ++i)
                log.add(row(i / 5'000, "alias-" + std::to_string(i % 700)));
        };
        std::jthread one(add_all);
        std::jthread other(add_all);
        for (int i = 0; i < 50; ++i) {
            for (const UsageRow& each : log.take()) taken += each.calls;
            log.saved();
        }
    }
    for (const UsageRow& each : log.take()) taken += each.calls;
    EXPECT_EQ(taken, 2u * kEach);
    EXPECT_EQ(log.counts().lost, 0u);
}

}  // namespace
}  // namespace store
