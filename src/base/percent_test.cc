#include "base/percent.h"

#include <gtest/gtest.h>

TEST(Percent, WhatMeansSomethingElseInAUrlIsEncoded) {
    EXPECT_EQ(base::percent_encoded("Az09-._~"), "Az09-._~");
    EXPECT_EQ(base::percent_encoded("a/b ?#%\xc3\xbc\n"), "a%2Fb%20%3F%23%25%C3%BC%0A");
    EXPECT_EQ(base::percent_encoded("a/b c", "/"), "a/b%20c");
}
