#pragma once

// What the tests of classify share: one instant, one call, one comparison.

#include "llm/classify.h"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <vector>

namespace llm::classifying {
using base::Provider;
using Headers = std::vector<Header>;
using Back = std::optional<base::Duration>;

/// 2026-11-22T12:00:05Z
inline const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

inline Failure read(Provider provider, int status, std::string_view body, Headers headers = {}) {
    return classify(provider, {.status = status, .headers = headers, .body = body}, kNow);
}

struct Expected {
    Outcome outcome;
    Scope scope;
    Window window = Window::none;
    Back back_in{};
};

inline void expect(const Failure& failure, const Expected& expected) {
    EXPECT_EQ(name(failure.outcome), name(expected.outcome)) << failure.detail;
    EXPECT_EQ(static_cast<int>(failure.scope), static_cast<int>(expected.scope)) << failure.detail;
    EXPECT_EQ(static_cast<int>(failure.window), static_cast<int>(expected.window))
        << failure.detail;
    EXPECT_EQ(failure.back_in.has_value(), expected.back_in.has_value()) << failure.detail;
    if (failure.back_in && expected.back_in)
        EXPECT_EQ(failure.back_in->count(), expected.back_in->count()) << failure.detail;
}

}  // namespace llm::classifying
