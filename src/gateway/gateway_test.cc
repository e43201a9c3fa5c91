#include "gateway/gateway.h"

#include "gateway/upload.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

using namespace gateway;

TEST(InFlight, AdmitsExactlyWhatTheTargetStates) {
    InFlight in_flight;
    config::Target target;
    target.id = "a";
    target.max_parallel_requests = 2;
    std::optional<InFlight::Slot> first;
    std::optional<InFlight::Slot> second;
    std::optional<InFlight::Slot> third;
    EXPECT_TRUE(in_flight.take(target, first));
    EXPECT_TRUE(in_flight.take(target, second));
    EXPECT_FALSE(in_flight.take(target, third));
    EXPECT_FALSE(third);
    first.reset();
    EXPECT_TRUE(in_flight.take(target, third));
    EXPECT_FALSE(in_flight.take(target, first));
}

TEST(InFlight, L3EverySlotReturns) {
    InFlight in_flight;
    config::Target target;
    target.id = "a";
    target.max_parallel_requests = 1;
    for (int i = 0; i < 100; ++i) {
        std::optional<InFlight::Slot> slot;
        ASSERT_TRUE(in_flight.take(target, slot)) << i;
        const InFlight::Slot moved = std::move(*slot);
    }
}

TEST(InFlight, WithoutALimitNothingIsCounted) {
    InFlight in_flight;
    config::Target target;
    target.id = "a";
    std::optional<InFlight::Slot> slot;
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(in_flight.take(target, slot));
    EXPECT_FALSE(slot);
}

TEST(InFlight, PlacesOfTheWholeGatewayReturnToo) {
    std::atomic<int> count{0};
    for (int i = 0; i < 3; ++i) {
        std::optional<InFlight::Slot> first;
        std::optional<InFlight::Slot> second;
        std::optional<InFlight::Slot> third;
        EXPECT_TRUE(InFlight::take(count, 2, first));
        EXPECT_TRUE(InFlight::take(count, 2, second));
        EXPECT_FALSE(InFlight::take(count, 2, third));
        EXPECT_FALSE(third);
        EXPECT_EQ(count.load(), 2);
    }
    EXPECT_EQ(count.load(), 0);
}

TEST(LearnedRejects, RememberEachMemberOnce) {
    LearnedRejects rejects;
    EXPECT_TRUE(rejects.of("a").empty());
    rejects.learn("a", "seed");
    rejects.learn("a", "seed");
    rejects.learn("a", "logit_bias");
    EXPECT_EQ(rejects.of("a"), (std::vector<std::string>{"seed", "logit_bias"}));
    EXPECT_TRUE(rejects.of("b").empty());
}

TEST(LearnedRejects, OnlyKnownHintsMayGo) {
    for (const char* hint : {"temperature", "top_p", "top_k", "seed", "logit_bias", "user",
                             "metadata", "store", "service_tier", "parallel_tool_calls",
                             "reasoning_effort", "prompt_cache_key", "stream_options"})
        EXPECT_TRUE(LearnedRejects::may_go(hint)) << hint;
    for (const char* shape : {"", "instructions", "input", "voice", "size", "quality", "text",
                              "reasoning", "include", "messages", "tools", "response_format",
                              "max_tokens", "previous_response_id", "unheard_of"})
        EXPECT_FALSE(LearnedRejects::may_go(shape)) << shape;
}

TEST(LearnedRejects, AreBounded) {
    LearnedRejects rejects;
    for (std::size_t i = 0; i < LearnedRejects::kMostMembers + 5; ++i)
        rejects.learn("a", "m" + std::to_string(i));
    EXPECT_EQ(rejects.of("a").size(), LearnedRejects::kMostMembers);
    for (std::size_t i = 0; i < LearnedRejects::kMostTargets + 5; ++i)
        rejects.learn("t" + std::to_string(i), "m");
    EXPECT_TRUE(rejects.of("t" + std::to_string(LearnedRejects::kMostTargets + 4)).empty());
    EXPECT_FALSE(rejects.of("t0").empty());
}

TEST(Blob, WhatStandsInFilesIsCountedWhileItLives) {
    const std::string piece(Blob::kMostInMemory, 'x');
    const std::string folder = testing::TempDir();
    {
        Blob blob;
        ASSERT_TRUE(blob.append(piece, folder));
        EXPECT_EQ(Blob::stored(), 0u);
        ASSERT_TRUE(blob.append("y", folder));
        EXPECT_EQ(Blob::stored(), piece.size() + 1);
        const Blob moved = std::move(blob);
        EXPECT_EQ(Blob::stored(), piece.size() + 1);
        EXPECT_EQ(moved.read(piece.size() - 1, 9), "xy");
    }
    EXPECT_EQ(Blob::stored(), 0u);
}
