#include "quota/ledger_testing.h"

#include <gtest/gtest.h>

namespace quota {
namespace {

TEST(Cost, OfEachUnit) {
    EXPECT_DOUBLE_EQ(cost({.input_tokens = 1000, .output_tokens = 100},
                          {.input_cost_per_token = 3e-6, .output_cost_per_token = 15e-6}),
                     0.0045);
    EXPECT_DOUBLE_EQ(cost({.audio_seconds = 60}, {.input_cost_per_second = 1e-4}), 0.006);
    EXPECT_DOUBLE_EQ(cost({.characters = 2000}, {.input_cost_per_character = 15e-6}), 0.03);
    EXPECT_DOUBLE_EQ(cost({.images = 3}, {.output_cost_per_image = 0.04}), 0.12);
}

TEST(Cost, OfCachedTokensByTheirOwnPrices) {
    const config::Prices prices{.input_cost_per_token = 1e-3,
                                .cache_read_input_token_cost = 1e-4,
                                .cache_creation_input_token_cost = 2e-3};
    EXPECT_DOUBLE_EQ(cost({.input_tokens = 100, .cached_tokens = 40, .written_tokens = 10}, prices),
                     50 * 1e-3 + 40 * 1e-4 + 10 * 2e-3);
    EXPECT_DOUBLE_EQ(cost({.input_tokens = 100, .cached_tokens = 40, .written_tokens = 10},
                          {.input_cost_per_token = 1e-3}),
                     0.1);
    EXPECT_DOUBLE_EQ(cost({.input_tokens = 10, .cached_tokens = 40, .written_tokens = 10}, prices),
                     10 * 1e-4);
}

TEST(Cost, AsTheProviderStatesIt) {
    EXPECT_EQ(cost({.input_tokens = 5, .usd = 0.25}, {.input_cost_per_token = 1}), 0.25);
}

TEST(Cost, WithoutPricesIsNothing) {
    EXPECT_EQ(cost({.input_tokens = 5,
                    .cached_tokens = 1,
                    .output_tokens = 5,
                    .images = 1,
                    .audio_seconds = 9,
                    .characters = 9},
                   {}),
              0);
}

/// A budget counts what is not counted in tokens before it is spent and after.
TEST(Cost, OfSoundAndTextToSpeakIsHeldAndCharged) {
    World world;
    world.target("ear", {limit("usd", "day", 1)});
    world.target("mouth", {limit("usd", "day", 1)});
    world.catalog.targets[0].prices.input_cost_per_second = 0.01;
    world.catalog.targets[1].prices.input_cost_per_character = 0.01;
    world.open();
    auto listened = world.reserve(0, {.max_tokens = 0, .audio_seconds = 60});
    ASSERT_TRUE(listened);
    listened->settle({.audio_seconds = 50}, world.now);
    EXPECT_DOUBLE_EQ(world.line("target:ear").used, 0.5);
    EXPECT_FALSE(world.reserve(0, {.max_tokens = 0, .audio_seconds = 51}));
    EXPECT_TRUE(world.reserve(0, {.max_tokens = 0, .audio_seconds = 49}));
    auto spoken = world.reserve(1, {.max_tokens = 0, .characters = 60});
    ASSERT_TRUE(spoken);
    spoken->settle({.characters = 60}, world.now);
    EXPECT_DOUBLE_EQ(world.line("target:mouth").used, 0.6);
    EXPECT_FALSE(world.reserve(1, {.max_tokens = 0, .characters = 41}));
    EXPECT_TRUE(world.reserve(1, {.max_tokens = 0, .characters = 39}));
}

}  // namespace
}  // namespace quota
