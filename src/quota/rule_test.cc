#include "quota/rule.h"

#include <gtest/gtest.h>

namespace quota {
namespace {

using namespace std::chrono_literals;
using base::WallTime;

WallTime utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
    using namespace std::chrono;
    return sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) +
           hours(hour) + minutes(minute);
}

void expect(const Period& period, WallTime begin, WallTime end) {
    EXPECT_EQ(period.begin, begin);
    EXPECT_EQ(period.end, end);
}

TEST(Rule, ReadsALimit) {
    config::Limit limit;
    limit.metric = "audio_seconds";
    limit.window = "5h";
    limit.limit = 7200;
    limit.reset = "first_use";
    limit.failures = "all";
    limit.cached = false;
    limit.advisory = true;
    const Rule rule = rule_of(limit);
    EXPECT_EQ(rule.metric, Metric::audio_seconds);
    EXPECT_EQ(rule.span, base::Duration(5h));
    EXPECT_EQ(rule.reset, Reset::first_use);
    EXPECT_EQ(rule.limit, 7200);
    EXPECT_EQ(rule.failures, Failures::all);
    EXPECT_FALSE(rule.cached);
    EXPECT_TRUE(rule.advisory);
    EXPECT_EQ(label(rule), "audio_seconds/5h");
}

TEST(Rule, AFixedMonthIsTheCalendars) {
    config::Limit limit;
    limit.metric = "requests";
    limit.window = "month";
    limit.reset = "fixed";
    EXPECT_EQ(rule_of(limit).reset, Reset::calendar_month);
    EXPECT_FALSE(rule_of(limit).limit);
}

TEST(Rule, WindowsHaveLengths) {
    EXPECT_EQ(span_of("minute"), 60s);
    EXPECT_EQ(span_of("30s"), 30s);
    EXPECT_EQ(span_of("7d"), 168h);
    EXPECT_EQ(span_of("week"), 168h);
    EXPECT_EQ(span_of("month"), 744h);
    EXPECT_EQ(span_of(""), 0s);
}

TEST(Rule, ResetsAreNamedBothWays) {
    for (const Reset reset : {Reset::token_bucket, Reset::rolling, Reset::fixed,
                              Reset::calendar_month, Reset::first_use, Reset::lifetime})
        EXPECT_EQ(reset_named(name(reset)), reset);
    EXPECT_FALSE(reset_named("sometimes"));
}

TEST(Calendar, DaysOfLocalTimeHave23And25Hours) {
    expect(aligned(utc(2026, 3, 29, 12), 24h, "Europe/Berlin"), utc(2026, 3, 28, 23),
           utc(2026, 3, 29, 22));
    expect(aligned(utc(2026, 10, 25, 12), 24h, "Europe/Berlin"), utc(2026, 10, 24, 22),
           utc(2026, 10, 25, 23));
    expect(aligned(utc(2026, 3, 8, 12), 24h, "America/New_York"), utc(2026, 3, 8, 5),
           utc(2026, 3, 9, 4));
}

TEST(Calendar, HoursFollowAZoneOffTheHour) {
    expect(aligned(utc(2026, 7, 1, 3, 40), 1h, "Asia/Kolkata"), utc(2026, 7, 1, 3, 30),
           utc(2026, 7, 1, 4, 30));
}

TEST(Calendar, WeeksBeginOnMonday) {
    expect(aligned(utc(2026, 11, 23), 168h, "UTC"), utc(2026, 11, 23), utc(2026, 11, 30));
    expect(aligned(utc(2026, 11, 22, 23, 59), 168h, "UTC"), utc(2026, 11, 16), utc(2026, 11, 23));
    expect(aligned(utc(2026, 11, 22, 23, 30), 168h, "Europe/Berlin"), utc(2026, 11, 22, 23),
           utc(2026, 11, 29, 23));
}

TEST(Calendar, OtherSpansCountFromTheEpoch) {
    expect(aligned(utc(1970, 1, 1, 12), 5h, "Europe/Berlin"), utc(1970, 1, 1, 10),
           utc(1970, 1, 1, 15));
    expect(aligned(utc(1969, 12, 31, 23), 5h, "UTC"), utc(1969, 12, 31, 19), utc(1970, 1, 1));
}

TEST(Calendar, MonthsEndWhenTheyDo) {
    expect(month_around(utc(2028, 2, 29, 23, 59), "UTC"), utc(2028, 2, 1), utc(2028, 3, 1));
    expect(month_around(utc(2026, 2, 28), "UTC"), utc(2026, 2, 1), utc(2026, 3, 1));
    expect(month_around(utc(2026, 12, 31, 23, 30), "Europe/Berlin"), utc(2026, 12, 31, 23),
           utc(2027, 1, 31, 23));
}

TEST(Calendar, EveryInstantIsInItsOwnPeriodAndPeriodsMeet) {
    for (const char* zone : {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                             "America/Sao_Paulo", "Asia/Beirut"})
        for (const base::Duration span : {base::Duration(1h), base::Duration(24h)})
            for (WallTime at = utc(2017, 1, 1); at < utc(2018, 1, 1);) {
                const Period period = aligned(at, span, zone);
                ASSERT_LE(period.begin, at) << zone;
                ASSERT_GT(period.end, at) << zone;
                const Period next = aligned(period.end, span, zone);
                ASSERT_EQ(next.begin, period.end) << zone;
                at = period.end + (span == 24h ? 1h : 7h);
            }
}

TEST(Calendar, UnknownZonesCountAsUtc) {
    EXPECT_FALSE(known_time_zone("Mars/Olympus"));
    EXPECT_TRUE(known_time_zone("UTC"));
    EXPECT_TRUE(known_time_zone("Asia/Shanghai"));
    expect(aligned(utc(2026, 3, 29, 12), 24h, "Mars/Olympus"), utc(2026, 3, 29), utc(2026, 3, 30));
}

}  // namespace
}  // namespace quota
