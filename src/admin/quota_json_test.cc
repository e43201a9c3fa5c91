#include "admin/quota_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

namespace admin {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Kind = quota::Ledger::Setting::Kind;

const base::Now kNow{base::Time(1h), base::WallTime(std::chrono::hours(500'000))};

quota::Line line() {
    quota::Line line;
    line.key = "model:groq:KEY/llama requests/day";
    line.scope = "model";
    line.name = "groq:KEY/llama";
    line.rule.window = "day";
    line.limit = 14'400;
    line.used = 7.25;
    line.remaining = 14'392.75;
    line.back_in = 0ms;
    line.source = quota::Source::header;
    line.source_at = kNow.wall - 12s;
    line.blocks = true;
    line.rate = 0.5;
    line.aliases = {"groq-llama"};
    return line;
}

TEST(QuotaJson, StatesALimit) {
    EXPECT_EQ(json::value(to_json(line(), kNow)), json::parse(R"({
      "limit":"model:groq:KEY/llama requests/day","scope":"model","name":"groq:KEY/llama",
      "metric":"requests","window":"day","reset":"rolling","ceiling":14400,"used":7.25,"held":0,
      "remaining":14392.75,"back_in_s":0,"whole_in_s":null,"blocks":true,"advisory":false,
      "source":"header","age_s":12,"ceiling_source":"configured","ceiling_age_s":null,"rate_per_hour":1800,"runs_out_in_s":null,
      "aliases":["groq-llama"]})"));
}

TEST(QuotaJson, HasNoNumberThatJsonHasNot) {
    quota::Line odd = line();
    odd.limit = std::numeric_limits<double>::infinity();
    odd.used = std::numeric_limits<double>::quiet_NaN();
    odd.remaining = -std::numeric_limits<double>::infinity();
    odd.source_at = {};
    const json::object row = to_json(odd, kNow);
    for (const char* member : {"ceiling", "used", "remaining", "age_s"})
        EXPECT_TRUE(row.at(member).is_null()) << member;
}

TEST(QuotaJson, NeverCountsTimeBackwards) {
    quota::Line later = line();
    later.source_at = kNow.wall + 1h;  // the wall clock was set back
    later.whole_in = -5ms;
    EXPECT_EQ(to_json(later, kNow).at("age_s"), json::value(0));
    EXPECT_EQ(to_json(later, kNow).at("whole_in_s"), json::value(0));
}

TEST(QuotaJson, KnowsWhomALimitConcerns) {
    for (const char* what :
         {"all", "model:groq:KEY/llama requests/day", "groq:KEY/llama", "groq-llama"})
        EXPECT_TRUE(concerns(line(), what)) << what;
    for (const char* what : {"", "groq", "llama", "groq-llama2"})
        EXPECT_FALSE(concerns(line(), what)) << what;
}

TEST(QuotaOrder, IsReadFromABody) {
    const auto reset = read_reset(R"({"what":"all"})");
    ASSERT_TRUE(reset);
    EXPECT_EQ(reset->what, "all");
    EXPECT_EQ(reset->setting.kind, Kind::reset);
    const auto used = read_setting(R"({"what":"groq-llama","used":12.5})");
    ASSERT_TRUE(used);
    EXPECT_EQ(used->setting.kind, Kind::used);
    EXPECT_EQ(used->setting.value, 12.5);
    const auto remaining = read_setting(R"({"what":"groq-llama","remaining":0})");
    ASSERT_TRUE(remaining);
    EXPECT_EQ(remaining->setting.kind, Kind::remaining);
}

TEST(QuotaOrder, NamesTheMemberThatIsWrong) {
    struct Case {
        const char* body;
        const char* member;
        const char* says;
    };
    for (const Case& c : {
             Case{"", "", "not JSON"},
             Case{"{\"what\":", "", "not JSON"},
             Case{"[]", "", "must be an object, not array"},
             Case{"{}", "what", "`what` is missing"},
             Case{R"({"what":7,"used":1})", "what", "must be a string, not number"},
             Case{R"({"what":"","used":1})", "what", "`what` is empty"},
             Case{R"({"what":"a"})", "used", "Neither `used` nor `remaining`"},
             Case{R"({"what":"a","used":1,"remaining":2})", "remaining", "both"},
             Case{R"({"what":"a","used":"5"})", "used", "must be a number from 0, not string"},
             Case{R"({"what":"a","used":null})", "used", "not null"},
             Case{R"({"what":"a","remaining":true})", "remaining", "not boolean"},
             Case{R"({"what":"a","remaining":-1})", "remaining", "from 0 to 1e15"},
             Case{R"({"what":"a","used":1e300})", "used", "from 0 to 1e15"},
         }) {
        const auto order = read_setting(c.body);
        ASSERT_FALSE(order) << c.body;
        EXPECT_EQ(order.error().status, 400);
        EXPECT_EQ(order.error().param, c.member) << c.body;
        EXPECT_NE(order.error().message.find(c.says), std::string::npos)
            << c.body << ": " << order.error().message;
    }
}

}  // namespace
}  // namespace admin
