#include "base/secret.h"

#include <gtest/gtest.h>

TEST(Secret, MatchesOnlyItsWholeSelf) {
    const base::Secret secret("sk-one");
    EXPECT_TRUE(secret.matches("sk-one"));
    EXPECT_FALSE(secret.matches("sk-on"));
    EXPECT_FALSE(secret.matches("sk-onee"));
    EXPECT_FALSE(secret.matches("sk-onesk-one"));
    EXPECT_FALSE(secret.matches(""));
}

TEST(Secret, AnEmptyKeyMatchesNothing) {
    EXPECT_FALSE(base::Secret().matches(""));
    EXPECT_FALSE(base::Secret().matches("x"));
}
