#include "base/percent.h"

#include <gtest/gtest.h>

TEST(Percent, WhatMeansSomethingElseInAUrlIsEncoded) {
    EXPECT_EQ(base::percent_encoded("Az09-._~"), "Az09-._~");
    EXPECT_EQ(base::percent_encoded("a/b ?#%\xc3\xbc\n"), "a%2Fb%20%3F%23%25%C3%BC%0A");
    EXPECT_EQ(base::percent_encoded("a/b c", "/"), "a/b%20c");
}

TEST(Percent, CodesAreDecodedAndAllElseStays) {
    EXPECT_EQ(base::percent_decoded("a%2Fb%20%3f%C3%bc"), "a/b ?\xc3\xbc");
    EXPECT_EQ(base::percent_decoded(""), "");
    EXPECT_EQ(base::percent_decoded("a+b"), "a+b");
    for (const char* odd : {"%", "100%", "%2", "%zz", "%+1", "% 1", "%-1"})
        EXPECT_EQ(base::percent_decoded(odd), odd);
    EXPECT_EQ(base::percent_decoded("%%41"), "%A");
    EXPECT_EQ(base::percent_decoded("%2541"), "%41");
}
