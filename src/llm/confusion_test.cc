// Mistakes that other gateways made with refusals and quotas. Each test is named after
// the project and thread where it was reported.

#include "llm/classify_testing.h"
#include "llm/rates.h"

#include <string>

namespace llm {
namespace {

using namespace classifying;
using namespace std::chrono_literals;
using base::Metric;

void expect_rate(const Failure& failure, Metric metric, std::string_view window) {
    ASSERT_TRUE(failure.rate) << failure.detail;
    EXPECT_EQ(base::name(failure.rate->metric), base::name(metric)) << failure.detail;
    EXPECT_EQ(failure.rate->window, window) << failure.detail;
    EXPECT_TRUE(failure.rate->refused) << failure.detail;
}

std::string groq(std::string_view rest) {
    return R"({"error":{"message":"Rate limit reached for model `M` in organization `org_01abcdefgh` service tier `on_demand` on )" +
           std::string(rest) + R"(","type":"tokens","code":"rate_limit_exceeded"}})";
}

/// Every limit has its own return; there is no usual one.
TEST(Confusion, FreeLlmApi92OneCooldownForAll) {
    expect(read(Provider::groq, 429,
                groq("requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again "
                     "in 2s.")),
           {Outcome::rate_limited, Scope::target, Window::minute, 2s});
    expect(read(Provider::groq, 429,
                groq("tokens per day (TPD): Limit 100000, Used 99210, Requested 3400. Please try "
                     "again in 37m35.04s.")),
           {Outcome::exhausted, Scope::target, Window::day, 2'255'040ms});
}

/// A minute's refusal stays one, whatever else the text and the headers speak of.
TEST(Confusion, FreeLlmApi158MinuteTakenForADay) {
    const Failure tail = read(
        Provider::groq, 429,
        groq("tokens per minute (TPM): Limit 12000, Used 4437, Requested 9854. Please try again in "
             "11.455s. Upgrade for 1M tokens per day, or see the daily limits (TPD)"));
    expect(tail, {Outcome::rate_limited, Scope::target, Window::minute, 11'455ms});
    expect_rate(tail, Metric::tokens, "minute");

    // Both buckets are empty, and the text says which one refused.
    const Failure both = read(
        Provider::cerebras, 429,
        R"({"message":"Tokens per minute limit exceeded - too many tokens processed.","param":"quota","code":"token_quota_exceeded"})",
        {{"retry-after", "58"},
         {"x-ratelimit-remaining-requests-day", "0"},
         {"x-ratelimit-reset-requests-day", "33011.38"},
         {"x-ratelimit-remaining-tokens-minute", "0"},
         {"x-ratelimit-reset-tokens-minute", "11.38"}});
    expect(both, {Outcome::rate_limited, Scope::target, Window::minute, 58s});
    expect_rate(both, Metric::tokens, "minute");

    const Failure refill = read(
        Provider::openai, 429,
        R"({"error":{"message":"Rate limit reached for gpt-4o in organization org-abcdefgh on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.","code":"rate_limit_exceeded"}})",
        {{"x-ratelimit-limit-requests", "200"},
         {"x-ratelimit-remaining-requests", "0"},
         {"x-ratelimit-reset-requests", "24h0m0s"}});
    expect(refill, {Outcome::rate_limited, Scope::target, Window::minute, 20s});
    expect_rate(refill, Metric::requests, "minute");
}

/// A day's refusal stays one although its return is near: what decides is the bucket.
TEST(Confusion, FreeFlow246DayTakenForAMinute) {
    const Failure soon =
        read(Provider::groq, 429,
             groq("requests per day (RPD): Limit 1000, Used 1000, Requested 1. Please try again in "
                  "1m26.4s."),
             {{"retry-after", "87"}, {"x-ratelimit-remaining-tokens", "0"}});
    expect(soon, {Outcome::exhausted, Scope::target, Window::day, 87s});
    expect_rate(soon, Metric::requests, "day");

    const Failure last_minute = classify(
        Provider::openrouter,
        {.status = 429,
         .headers = {},
         .body =
             R"({"error":{"message":"Rate limit exceeded: free-models-per-day. ","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795392000000"}}}})"},
        *base::utc(2026, 11, 22, 23, 59, 30));
    expect(last_minute, {Outcome::exhausted, Scope::pool, Window::day, 30s});
    expect_rate(last_minute, Metric::requests, "day");
}

/// Caps that span models: the credit of an account, the free models' pool.
TEST(Confusion, FreeLlmApi162CapOfTheWholeProvider) {
    const Failure credit = read(
        Provider::huggingface, 402,
        R"({"error":"You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers."})");
    expect(credit, {Outcome::exhausted, Scope::account, Window::month, 734395s});
    expect_rate(credit, Metric::usd, "month");
    EXPECT_EQ(credit.rate->pool, "huggingface-router");

    const Failure month = read(
        Provider::cohere, 429,
        R"({"message":"You are using a Trial key, which is limited to 1000 API calls / month."})",
        {{"x-trial-endpoint-call-limit", "20"}, {"x-trial-endpoint-call-remaining", "0"}});
    expect(month, {Outcome::exhausted, Scope::account, Window::month, 734395s});
    expect_rate(month, Metric::requests, "month");
}

TEST(Confusion, OmniRoute6842FreeModelsShareADay) {
    const Failure day = read(
        Provider::openrouter, 429,
        R"({"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795392000000"}}}})");
    expect(day, {Outcome::exhausted, Scope::pool, Window::day, 43195s});
    expect_rate(day, Metric::requests, "day");
    EXPECT_EQ(day.rate->pool, "openrouter-free");
    EXPECT_EQ(day.rate->limit, 50) << "not the 1000 that it advertises";

    const Failure minute = read(
        Provider::openrouter, 429,
        R"({"error":{"message":"Rate limit exceeded: free-models-per-min. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795348860000"}}}})");
    expect(minute, {Outcome::rate_limited, Scope::pool, Window::minute, 55s});
    expect_rate(minute, Metric::requests, "minute");
    EXPECT_EQ(minute.rate->limit, 20);
}

/// Where a provider names no limit, nothing is made up: no axis, no number.
TEST(Confusion, FreeLlmApi392UnknownLimits) {
    const Failure bare =
        read(Provider::mistral, 429, R"({"message":"Requests rate limit exceeded"})");
    expect(bare, {Outcome::rate_limited, Scope::target, Window::minute, 55s});
    EXPECT_FALSE(bare.rate);
    EXPECT_FALSE(read(Provider::openai_compatible, 429, "Too many requests").rate);
    EXPECT_FALSE(
        read(Provider::openai_compatible, 429, "limit of 5 per minute and 100 per day").rate);
}

/// Durations, epochs and dates in headers are read, each in its own unit.
TEST(Confusion, FreeLlmApi1104ResetsInEveryWriting) {
    auto reset = [](Provider provider, std::string name, std::string value) {
        const Headers headers{{name, "7"},
                              {name.replace(name.find("limit-", 9), 5, "reset"), value}};
        return header_rates(provider, {.status = 200, .headers = headers, .body = {}}, kNow)
            .at(0)
            .reset_in.value_or(-1ms);
    };
    const std::string tokens = "x-ratelimit-limit-tokens";
    EXPECT_EQ(reset(Provider::groq, tokens, "1m26.4s"), 86'400ms);
    EXPECT_EQ(reset(Provider::groq, tokens, "6ms"), 6ms);
    EXPECT_EQ(reset(Provider::groq, tokens, "6m0s"), 360s);
    EXPECT_EQ(reset(Provider::cerebras, tokens + "-day", "33011.382867097855"), 33'011'383ms);
    EXPECT_EQ(reset(Provider::openai_compatible, tokens, "1795348865"), 60s);
    EXPECT_EQ(reset(Provider::openai_compatible, tokens, "1795348865000"), 60s);
    EXPECT_EQ(reset(Provider::openai_compatible, tokens, "2026-11-22T12:01:05Z"), 60s);
}

/// A weekly window is no month and no five hours, and the other way round.
TEST(Confusion, CliProxyApi3785WeekTakenForAMonth) {
    auto plan = [](std::string_view code, std::string_view text) {
        return read(Provider::openai_compatible, 429,
                    R"({"error":{"code":")" + std::string(code) + R"(","message":")" +
                        std::string(text) + "\"}}");
    };
    const Failure week = plan("1310",
                              "Weekly limit exhausted. Your limit will reset at "
                              "2026-11-25 20:00:05");
    expect(week, {Outcome::exhausted, Scope::account, Window::day, 72h});
    expect_rate(week, Metric::utilization, "7d");

    const Failure month = plan("1308",
                               "Usage limit reached for 1 month. Your limit will reset at "
                               "2026-12-12 20:00:05");
    expect(month, {Outcome::exhausted, Scope::account, Window::month, 480h});
    expect_rate(month, Metric::utilization, "month");

    const Failure by_date = plan("1310",
                                 "Weekly/Monthly Limit Exhausted. Your limit will reset at "
                                 "2026-12-12 20:00:05");
    expect(by_date, {Outcome::exhausted, Scope::account, Window::month, 480h});
    expect_rate(by_date, Metric::utilization, "month");
    expect_rate(plan("1310",
                     "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-11-25 "
                     "20:00:05"),
                Metric::utilization, "7d");
    expect_rate(plan("1308",
                     "Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 "
                     "21:00:05"),
                Metric::utilization, "5h");
}

/// A plan has two windows at once; the one that is rejected is the cause.
TEST(Confusion, OmniRoute7075FiveHoursAndSevenDays) {
    Headers headers{{"anthropic-ratelimit-unified-status", "rejected"},
                    {"anthropic-ratelimit-unified-5h-status", "rejected"},
                    {"anthropic-ratelimit-unified-5h-reset", "1795352405"},
                    {"anthropic-ratelimit-unified-7d-status", "allowed_warning"},
                    {"anthropic-ratelimit-unified-7d-utilization", "0.9"},
                    {"anthropic-ratelimit-unified-7d-reset", "1795435205"}};
    const Failure hours = read(Provider::anthropic, 429, "{}", headers);
    expect(hours, {Outcome::exhausted, Scope::account, Window::hour, 1h});
    expect_rate(hours, Metric::utilization, "5h");
    headers[3].value = "rejected";
    const Failure days = read(Provider::anthropic, 429, "{}", headers);
    expect(days, {Outcome::exhausted, Scope::account, Window::day, 24h});
    expect_rate(days, Metric::utilization, "7d");
}

/// A plan's weekly limit, however it is worded, is no short pause that is tried for ever.
TEST(Confusion, Subwave440WeeklyLimitTriedForEver) {
    const Failure week = read(Provider::openai_compatible, 429,
                              R"({"error":{"message":"You've hit your weekly limit"}})");
    expect(week, {Outcome::exhausted, Scope::account, Window::day});
    expect_rate(week, Metric::utilization, "7d");
}

/// A crowded provider behind OpenRouter says nothing of our own pool.
TEST(Confusion, SomebodyElsesCrowdIsNotOurQuota) {
    const Failure upstream = read(
        Provider::openrouter, 429,
        R"({"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"v/m:free is temporarily rate-limited upstream. Please retry shortly","provider_name":"Chutes"}}})",
        {{"X-RateLimit-Limit", "50"},
         {"X-RateLimit-Remaining", "0"},
         {"X-RateLimit-Reset", "1795392000000"}});
    expect(upstream, {Outcome::rate_limited, Scope::target, Window::none, 30s});
    EXPECT_FALSE(upstream.rate);
}

/// Groq's day header tells when the bucket is full, not when one more request may go.
TEST(Confusion, FullAgainIsNotAllowedAgain) {
    const Failure failure =
        read(Provider::groq, 429,
             groq("requests per day (RPD): Limit 14400, Used 14400, Requested 1. Please try again "
                  "in 6s."),
             {{"retry-after", "6"},
              {"x-ratelimit-limit-requests", "14400"},
              {"x-ratelimit-remaining-requests", "0"},
              {"x-ratelimit-reset-requests", "24h0m0s"}});
    expect(failure, {Outcome::exhausted, Scope::target, Window::day, 6s});
    expect_rate(failure, Metric::requests, "day");
}

}  // namespace
}  // namespace llm
