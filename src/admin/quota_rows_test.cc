#include "admin/quota_rows.h"

#include <gtest/gtest.h>

#include <limits>

namespace admin {
namespace {

namespace json = boost::json;

using Cells = std::vector<std::string>;

json::array limits(const std::string& rows) { return json::parse(rows).as_array(); }

TEST(Bar, FillsByWhatIsLeft) {
    EXPECT_EQ(bar(1, Drawing::plain), "##########");
    EXPECT_EQ(bar(0.5, Drawing::plain), "#####.....");
    EXPECT_EQ(bar(0, Drawing::plain), "..........");
    EXPECT_EQ(bar(0.4, Drawing::blocks), "████░░░░░░");
}

TEST(Bar, ShowsTheLastBitAndStaysInItsCells) {
    EXPECT_EQ(bar(0.0001, Drawing::plain), "#.........");
    EXPECT_EQ(bar(7, Drawing::plain), "##########");
    EXPECT_EQ(bar(std::numeric_limits<double>::infinity(), Drawing::plain), "##########");
    EXPECT_EQ(bar(-3, Drawing::plain), "..........");
    EXPECT_EQ(bar(std::numeric_limits<double>::quiet_NaN(), Drawing::plain), "..........");
}

TEST(Figure, SeparatesThousands) {
    EXPECT_EQ(figure(0), "0");
    EXPECT_EQ(figure(999), "999");
    EXPECT_EQ(figure(1'000), "1,000");
    EXPECT_EQ(figure(14'400), "14,400");
    EXPECT_EQ(figure(1'234'567), "1,234,567");
    EXPECT_EQ(figure(1e15), "1,000,000,000,000,000");
    EXPECT_EQ(figure(-1'234), "-1,234");
    EXPECT_EQ(figure(-123), "-123");
}

TEST(Figure, NeverShowsMoreThanThereIs) {
    EXPECT_EQ(figure(14'399.9), "14,399");
    EXPECT_EQ(figure(29.739), "29.73");
    EXPECT_EQ(figure(30), "30");
    EXPECT_EQ(figure(0.1 - 0.02), "0.08");
    EXPECT_EQ(figure(0.08129), "0.0812");
    EXPECT_EQ(figure(std::numeric_limits<double>::infinity()), "unknown");
}

TEST(QuotaRows, GroupsByAccountAndProvider) {
    const auto rows = quota_rows(limits(R"([
      {"scope":"target","name":"mine","metric":"tokens","window":"minute","ceiling":1,"remaining":1},
      {"scope":"pool","name":"free@openrouter:KEY","metric":"requests","window":"day","ceiling":1},
      {"scope":"model","name":"groq:KEY/meta/llama","metric":"requests","window":"day","ceiling":1},
      {"scope":"account","name":"groq:KEY","metric":"usd","reset":"lifetime","ceiling":1},
      {"scope":"provider","name":"groq","metric":"concurrency","window":"","ceiling":1}])"),
                                 Drawing::plain);
    std::vector<std::string> first;
    for (const Cells& row : rows) first.push_back(row[0]);
    EXPECT_EQ(first,
              (Cells{"LIMIT", "groq", "  (provider)", "groq:KEY", "  (account)", "  meta/llama",
                     "openrouter:KEY", "  free (pool)", "targets", "  mine"}));
    EXPECT_EQ(rows[2][1], "concurrency");
    EXPECT_EQ(rows[4][1], "usd/lifetime");
}

TEST(QuotaRows, SaysWhatIsLeftAndWhenItReturns) {
    const auto rows = quota_rows(limits(R"([{"scope":"model","name":"groq:KEY/llama",
      "metric":"requests","window":"day","reset":"token_bucket","ceiling":14400,"remaining":7200,
      "used":7200,"back_in_s":0,"whole_in_s":43200,"advisory":true,"source":"header","age_s":12.0,
      "runs_out_in_s":2460}])"),
                                 Drawing::plain);
    EXPECT_EQ(rows[2], (Cells{"  llama", "requests/day (advisory)", "#####.....", "7,200/14,400",
                              "whole in 12 h", "in 41 m", "header, 12 s ago"}));
}

TEST(QuotaRows, SaysWhenSomethingUsedUpComesBack) {
    const auto rows = quota_rows(limits(R"([{"scope":"model","name":"groq:KEY/llama",
      "metric":"tokens","window":"day","reset":"rolling","ceiling":100000,"remaining":-20,
      "used":100020,"back_in_s":2460,"whole_in_s":43200,"source":"configured","age_s":900,
      "runs_out_in_s":0}])"),
                                 Drawing::plain);
    EXPECT_EQ(rows[2], (Cells{"  llama", "tokens/day", "..........", "-20/100,000", "in 41 m",
                              "now", "configured"}));
}

TEST(QuotaRows, SaysWhatIsUnknownAndWhatNeverReturns) {
    const auto rows = quota_rows(limits(R"([
      {"scope":"account","name":"a","metric":"usd","reset":"lifetime","window":"","ceiling":0.1,
       "remaining":0,"used":0.1,"back_in_s":null,"whole_in_s":null,"source":"counted"},
      {"scope":"account","name":"b","metric":"tokens","window":"month","ceiling":null,
       "remaining":null,"used":1234,"back_in_s":0,"whole_in_s":0,"source":"configured"}])"),
                                 Drawing::blocks);
    EXPECT_EQ(rows[2], (Cells{"  (account)", "usd/lifetime", "░░░░░░░░░░", "0/0.1", "never", "-",
                              "counted"}));
    EXPECT_EQ(rows[4], (Cells{"  (account)", "tokens/month", "", "unknown, 1,234 used", "-", "-",
                              "configured"}));
}

TEST(QuotaRows, SurvivesRowsOfAnotherShape) {
    const auto rows = quota_rows(limits(R"([7, {}, {"scope":5,"back_in_s":"soon","ceiling":-1e300,
      "remaining":1e300,"runs_out_in_s":1e300,"age_s":-4}])"),
                                 Drawing::plain);
    EXPECT_EQ(rows.size(), 4u);
}

}  // namespace
}  // namespace admin
