#include "base/units.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

using namespace base;
using namespace std::chrono_literals;

TEST(Duration, ReadsWhatProvidersSend) {
    struct Case {
        const char* text;
        double seconds;
    };
    for (const Case& c : std::initializer_list<Case>{{"6ms", 0.006},
                                                     {"370ms", 0.370},
                                                     {"1.57s", 1.57},
                                                     {"7.66s", 7.66},
                                                     {"2m59.56s", 179.56},
                                                     {"3m6s", 186},
                                                     {"9m38.016s", 578.016},
                                                     {"1m26.4s", 86.4},
                                                     {"30m46.361999999s", 1846.362},
                                                     {"6m0s", 360},
                                                     {"1h2m3s", 3723},
                                                     {"1.984999999s", 1.985},
                                                     {"500us", 0.001},
                                                     {"2", 2}}) {
        const auto read = parse_duration(c.text);
        ASSERT_TRUE(read) << c.text;
        EXPECT_NEAR(static_cast<double>(read->count()) / 1000, c.seconds, 0.0011) << c.text;
    }
}

TEST(Duration, RefusesWhatIsNone) {
    for (const char* text : {"abc", "", "-5s", "5x", "s", "1m2", "1..2s", "5 s", "0x5"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Return, ReadsEpochsDatesAndSpans) {
    const WallTime now = *utc(2026, 4, 28, 23, 0, 0);
    EXPECT_EQ(parse_return("1777420800000", now), Duration(1h));
    EXPECT_EQ(parse_return("1777420800", now), Duration(1h));
    EXPECT_EQ(parse_return("2026-04-29T00:00:00Z", now), Duration(1h));
    EXPECT_EQ(parse_return("2026-04-29T08:00:00+08:00", now), Duration(1h));
    EXPECT_EQ(parse_return("Wed, 29 Apr 2026 00:00:00 GMT", now), Duration(1h));
    EXPECT_EQ(parse_return("33011.382867097855", now), Duration(33'011'383));
    EXPECT_EQ(parse_return("0", now), Duration(0));
}

TEST(Return, ClampsToNowAndAMonth) {
    const WallTime now = *utc(2026, 4, 28, 23, 0, 0);
    EXPECT_EQ(parse_return("2020-01-01T00:00:00Z", now), Duration(0));
    EXPECT_EQ(parse_return("99999999", now), Duration(24h * 31));
    EXPECT_EQ(parse_return("2036-01-01T00:00:00Z", now), Duration(24h * 31));
    EXPECT_FALSE(parse_return("-7", now));
    EXPECT_FALSE(parse_return("soon", now));
}

TEST(Units, WriteTimeForPeople) {
    EXPECT_EQ(rfc3339(*utc(2026, 11, 23, 16, 5, 0)), "2026-11-23T16:05:00Z");
    EXPECT_EQ(human(350ms), "350 ms");
    EXPECT_EQ(human(41min), "41 m");
    EXPECT_EQ(human(2h + 5min), "2 h 5 m");
}

TEST(Units, ComparesAsciiWithoutCase) {
    EXPECT_TRUE(iequals("Retry-After", "retry-after"));
    EXPECT_TRUE(icontains("Tokens Per Minute", "per minute"));
    EXPECT_FALSE(icontains("ab", "abc"));
    EXPECT_EQ(trim(" \t a b \r\n"), "a b");
}
