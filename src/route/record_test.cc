#include "route/record.h"

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <memory>
#include <string>

using namespace route;
using namespace std::chrono_literals;
using boost::json::object;
using Value = boost::json::value;
using llm::Outcome;

namespace {

Step called(const std::string& alias, Outcome outcome, int status = 0) {
    Step step;
    step.alias = alias;
    step.target = alias;
    step.outcome = outcome;
    step.status = status;
    return step;
}

Step skipped(const std::string& alias, Skip skip) {
    Step step = called(alias, Outcome::served);
    step.skip = skip;
    return step;
}

Record sample() {
    Record record;
    record.id = "req_1";
    record.asked = "groq";
    record.served_by = "mistral";
    record.status = 200;
    record.took = 1234ms;
    record.steps = {called("groq", Outcome::rate_limited, 429), skipped("cerebras", Skip::benched),
                    called("cohere", Outcome::timeout), called("mistral", Outcome::served, 200)};
    record.steps[0].back_in = 1500ms;
    record.steps[0].detail = "Rate limit reached";
    record.steps[0].changes = {"dropped seed"};
    record.steps[3].target = "mistral#2";
    record.steps[3].at = 900ms;
    record.steps[3].took = 300ms;
    return record;
}

}  // namespace

TEST(Record, TrailNamesEveryCandidateInOrder) {
    EXPECT_EQ(sample().trail(),
              "groq=429:rate_limited, cerebras=skipped:benched, cohere=timeout, mistral=200");
    EXPECT_EQ(Record().trail(), "");
}

TEST(Record, CountsCallsAndNotSkips) {
    EXPECT_EQ(sample().attempts(), 3);
    EXPECT_EQ(Record().attempts(), 0);
}

TEST(Record, StepsAsJson) {
    const Record record = sample();
    EXPECT_EQ(
        boost::json::serialize(to_json(record.steps[0])),
        R"({"alias":"groq","verdict":"go","outcome":"rate_limited","status":429,"at_ms":0,"ms":0,)"
        R"("detail":"Rate limit reached","back_in_s":1.5E0,"changes":["dropped seed"]})");
    EXPECT_EQ(
        boost::json::serialize(to_json(record.steps[1])),
        R"({"alias":"cerebras","verdict":"skip","outcome":"skipped:benched","status":null,"ms":0})");
    const object last = to_json(record.steps[3]);
    EXPECT_EQ(last.at("target"), Value("mistral#2"));
    EXPECT_EQ(last.at("at_ms"), Value(900));
    EXPECT_EQ(last.at("ms"), Value(300));
    EXPECT_TRUE(to_json(record.steps[2]).at("status").is_null());
}

TEST(Record, AsJson) {
    Record record = sample();
    object out = to_json(record);
    EXPECT_EQ(out.at("id"), Value("req_1"));
    EXPECT_EQ(out.at("time"), Value("1970-01-01T00:00:00Z"));
    EXPECT_EQ(out.at("model"), Value("groq"));
    EXPECT_EQ(out.at("served_by"), Value("mistral"));
    EXPECT_EQ(out.at("attempts"), Value(3));
    EXPECT_EQ(out.at("trail"), Value(record.trail()));
    EXPECT_EQ(out.at("candidates").as_array().size(), 4u);
    EXPECT_FALSE(out.contains("usage"));
    EXPECT_FALSE(out.contains("error"));

    record.served_by.clear();
    record.error = "nobody";
    record.usage.prompt = 10;
    record.usage.completion = 5;
    record.usage.cached = 3;
    record.usage.known = true;
    out = to_json(record);
    EXPECT_TRUE(out.at("served_by").is_null());
    EXPECT_EQ(out.at("error"), Value("nobody"));
    EXPECT_EQ(out.at("usage").at("total_tokens"), Value(15));
    EXPECT_EQ(out.at("usage").at("cached_tokens"), Value(3));
    EXPECT_EQ(out.at("usage").at("estimated"), Value(false));
}

TEST(Record, APreviewSaysWhoWouldBeAsked) {
    config::Target first;
    first.id = first.alias = "groq";
    first.provider = base::Provider::groq;
    config::Target second = first;
    second.id = "mistral#2";
    second.alias = "mistral";
    Decision decision;
    decision.candidates = {
        {.target = &first, .model = "m", .skip = Skip::benched, .why = "set aside", .back_in = 2s},
        {.target = &second, .model = "n"}};
    object out = to_json(decision, {.model = "groq", .tools = true, .prompt_bytes = 7});
    EXPECT_EQ(out.at("would_ask"), Value("mistral"));
    EXPECT_EQ(out.at("needs").at("tools"), Value(true));
    EXPECT_EQ(out.at("candidates").at(0).at("reason"), Value("benched"));
    EXPECT_EQ(out.at("candidates").at(0).at("why"), Value("set aside"));
    EXPECT_EQ(out.at("candidates").at(0).at("back_in_s"), Value(2.0));
    EXPECT_EQ(out.at("candidates").at(1).at("verdict"), Value("go"));
    EXPECT_EQ(out.at("candidates").at(1).at("target"), Value("mistral#2"));

    decision.candidates.pop_back();
    EXPECT_TRUE(to_json(decision, {.model = "groq"}).at("would_ask").is_null());
}

TEST(Record, BenchesAsJson) {
    Bench bench;
    bench.key = "account:groq:GROQ_API_KEY";
    bench.cause = Outcome::exhausted;
    bench.source = Source::stated;
    const base::Now now{base::Time(100h), base::WallTime(0s)};
    bench.until = now.steady + 90s;
    bench.strikes = 2;
    EXPECT_EQ(
        boost::json::serialize(to_json(bench, now)),
        R"({"scope":"account","name":"groq:GROQ_API_KEY","cause":"exhausted","source":"stated",)"
        R"("until":"1970-01-01T00:01:30Z","back_in_s":9E1,"failures":2})");
}

TEST(Records, KeepTheLastOnes) {
    Records records;
    for (std::size_t i = 0; i <= Records::kMost; ++i) {
        auto record = std::make_shared<Record>();
        record->id = "req_" + std::to_string(i);
        records.add(std::move(record));
    }
    EXPECT_EQ(records.find("req_0"), nullptr);
    ASSERT_NE(records.find("req_1"), nullptr);
    EXPECT_EQ(records.find("req_" + std::to_string(Records::kMost))->id,
              "req_" + std::to_string(Records::kMost));
    EXPECT_EQ(records.find("req_"), nullptr);
}
