// Failure::rate: the quota that a refusal names.

#include "llm/axis.h"
#include "llm/classify_testing.h"

#include <fmt/format.h>

#include <string>

namespace llm {
namespace {

using namespace classifying;

std::string figure(const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : "-";
}

/// "tokens/day limit=100000 used=97050 requested=3619 refused", "none" where there is no rate.
std::string told(const Failure& failure) {
    if (!failure.rate) return "none";
    const Rate& rate = *failure.rate;
    std::string out = rate.pool.empty() ? "" : rate.pool + ' ';
    out += fmt::format("{}/{}", base::name(rate.metric), rate.window);
    if (rate.limit) out += " limit=" + figure(rate.limit);
    if (rate.used) out += " used=" + figure(rate.used);
    if (rate.requested) out += " requested=" + figure(rate.requested);
    if (rate.reset_in) out += fmt::format(" reset={}", rate.reset_in->count());
    return rate.refused ? out + " refused" : out;
}

std::string told(Provider provider, int status, std::string_view body, Headers headers = {}) {
    return told(read(provider, status, body, std::move(headers)));
}

std::string reached(std::string_view rest) {
    return R"({"error":{"message":"Rate limit reached for model `M` in organization `org_01abcdefgh` service tier `on_demand` on )" +
           std::string(rest) + R"(","type":"tokens","code":"rate_limit_exceeded"}})";
}

TEST(RefusedRate, GroqAxesAndNumbers) {
    auto groq = [](std::string_view rest) { return told(Provider::groq, 429, reached(rest)); };
    EXPECT_EQ(groq("tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try "
                   "again in 9m38.016s. Need more tokens?"),
              "tokens/day limit=100000 used=97050 requested=3619 refused");
    EXPECT_EQ(groq("requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again "
                   "in 2s."),
              "requests/minute limit=30 used=30 requested=1 refused");
    EXPECT_EQ(groq("requests per day (RPD): Limit 14400, Used 14400, Requested 1."),
              "requests/day limit=14400 used=14400 requested=1 refused");
    EXPECT_EQ(groq("seconds of audio per hour (ASPH): Limit 7200, Used 5956, Requested ~2336."),
              "audio_seconds/hour limit=7200 used=5956 requested=2336 refused");
    EXPECT_EQ(groq("seconds of audio per day (ASD): Limit 28800, Used 28000, Requested 900."),
              "audio_seconds/day limit=28800 used=28000 requested=900 refused");
    EXPECT_EQ(groq("input tokens per minute (ITPM): Limit 9000, Used 8999, Requested 10."),
              "input_tokens/minute limit=9000 used=8999 requested=10 refused");
    EXPECT_EQ(groq("output tokens per minute (OTPM): Limit 9000, Used 8999, Requested 10."),
              "output_tokens/minute limit=9000 used=8999 requested=10 refused");
}

TEST(RefusedRate, GroqPartsMayBeMissing) {
    auto groq = [](std::string_view rest) { return read(Provider::groq, 429, reached(rest)); };
    EXPECT_EQ(told(groq("tokens per minute: Limit 6000, Used 5000. Please try again in 2s.")),
              "tokens/minute limit=6000 used=5000 refused");
    EXPECT_EQ(told(groq("TPD: Limit 6,000, Used 5,900, Requested 1,200.")),
              "tokens/day limit=6000 used=5900 requested=1200 refused");
    const Failure bare = groq("tokens per day (TPD). Please try again in 2m.");
    EXPECT_EQ(told(bare), "tokens/day refused");
    expect(bare,
           {Outcome::exhausted, Scope::target, Window::day, std::chrono::milliseconds(120'000)});
    EXPECT_EQ(told(groq("frobs per day (FPD): Limit 30, Used 30, Requested 1.")), "none");
    EXPECT_EQ(told(groq("tokens per fortnight: Limit 30, Used 30, Requested 1.")), "none");
    EXPECT_EQ(told(groq("tokens per minute (TPD): Limit 30, Used 30, Requested 1.")), "none");
}

TEST(RefusedRate, WhatNeverFitsTellsOnlyTheLimit) {
    const char* large =
        R"({"error":{"message":"Request too large for model `M` in organization `org_01abcdefgh` on tokens per minute (TPM): Limit 6000, Requested 14368, please reduce your message size","type":"tokens","code":"rate_limit_exceeded"}})";
    EXPECT_EQ(told(Provider::groq, 413, large), "tokens/minute limit=6000");
    EXPECT_EQ(told(Provider::openai, 429, large), "tokens/minute limit=6000");
    EXPECT_EQ(told(Provider::groq, 413, "{}"), "none");
}

TEST(RefusedRate, OpenAi) {
    auto openai = [](std::string_view rest) { return told(Provider::openai, 429, reached(rest)); };
    EXPECT_EQ(openai("tokens per min (TPM): Limit 30000, Used 29000, Requested 2000."),
              "tokens/minute limit=30000 used=29000 requested=2000 refused");
    EXPECT_EQ(openai("images per minute: Limit 5, Used 5, Requested 1."),
              "images/minute limit=5 used=5 requested=1 refused");
    EXPECT_EQ(openai("tokens per min. Limit: 90000 / min. Current: 89001 / min. Contact us."),
              "tokens/minute limit=90000 used=89001 refused");
    // Money is no bucket, whatever headers show.
    const Failure money = read(
        Provider::openai, 429,
        R"({"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}})",
        {{"x-ratelimit-limit-requests", "60"},
         {"x-ratelimit-remaining-requests", "0"},
         {"x-ratelimit-reset-requests", "60s"}});
    EXPECT_EQ(told(money), "none");
    expect(money, {Outcome::exhausted, Scope::account});
}

TEST(RefusedRate, CerebrasFlatBodies) {
    auto cerebras = [](std::string_view axis) {
        return told(Provider::cerebras, 429,
                    fmt::format(R"({{"message":"{} limit exceeded - too many sent.",)"
                                R"("param":"quota","code":"request_quota_exceeded"}})",
                                axis));
    };
    EXPECT_EQ(cerebras("Requests per minute"), "requests/minute refused");
    EXPECT_EQ(cerebras("Requests per hour"), "requests/hour refused");
    EXPECT_EQ(cerebras("Requests per day"), "requests/day refused");
    EXPECT_EQ(cerebras("Tokens per minute"), "tokens/minute refused");
    EXPECT_EQ(cerebras("Tokens per hour"), "tokens/hour refused");
    EXPECT_EQ(cerebras("Tokens per day"), "tokens/day refused");
    EXPECT_EQ(told(Provider::cerebras, 429, R"({"param":"queue","code":"queue_exceeded"})"),
              "none");
    EXPECT_EQ(told(Provider::cerebras, 429, "{}",
                   {{"x-ratelimit-limit-tokens-day", "1000000"},
                    {"x-ratelimit-remaining-tokens-day", "0"},
                    {"x-ratelimit-reset-tokens-day", "9000"}}),
              "tokens/day limit=1000000 reset=9000000 refused");
}

TEST(RefusedRate, OpenRouterFreePool) {
    const Provider p = Provider::openrouter;
    EXPECT_EQ(
        told(
            p, 429,
            R"({"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795392000000"}}}})"),
        "openrouter-free requests/day limit=50 reset=43195000 refused");
    EXPECT_EQ(
        told(p, 429,
             R"({"error":{"message":"Rate limit exceeded: free-models-per-min. ","code":429}})",
             {{"X-RateLimit-Limit", "20"},
              {"X-RateLimit-Remaining", "0"},
              {"X-RateLimit-Reset", "1795348860000"}}),
        "openrouter-free requests/minute limit=20 reset=55000 refused");
    EXPECT_EQ(
        told(
            p, 429,
            R"({"error":{"message":"Rate limit exceeded: free-models-per-day-high-balance. ","code":429}})"),
        "openrouter-free requests/day refused");
    EXPECT_EQ(
        told(
            p, 429,
            R"({"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"v/m:free is temporarily rate-limited upstream","provider_name":"Chutes"}}})",
            {{"X-RateLimit-Limit", "20"}, {"X-RateLimit-Remaining", "0"}}),
        "none");
}

TEST(RefusedRate, CohereTexts) {
    auto cohere = [](std::string_view text) {
        return told(Provider::cohere, 429, R"({"id":"1","message":")" + std::string(text) + "\"}");
    };
    EXPECT_EQ(cohere("You are using a Trial key, which is limited to 20 API calls / minute. You "
                     "can continue to use the Trial key for free"),
              "requests/minute limit=20 refused");
    EXPECT_EQ(cohere("You are using a Trial key, which is limited to 1000 API calls / month."),
              "requests/month limit=1000 refused");
    EXPECT_EQ(cohere("trial token rate limit exceeded, limit is 100000 tokens per minute"),
              "tokens/minute limit=100000 refused");
    EXPECT_EQ(cohere("You are past the per minute request limit, please wait and try again later."),
              "requests/minute refused");
    EXPECT_EQ(cohere("Please wait and try again later"), "none");
    EXPECT_EQ(
        told(Provider::cohere, 429, R"({"message":"Please wait and try again later"})",
             {{"x-trial-endpoint-call-limit", "20"}, {"x-trial-endpoint-call-remaining", "0"}}),
        "requests/minute limit=20 refused");
}

TEST(RefusedRate, MistralHeadersTell) {
    const char* body =
        R"({"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429})";
    auto mistral = [body](Headers headers) {
        return read(Provider::mistral, 429, body, std::move(headers));
    };
    EXPECT_EQ(told(mistral({})), "none");
    EXPECT_EQ(told(mistral({{"x-ratelimit-limit-req-minute", "23"},
                            {"x-ratelimit-remaining-req-minute", "0"},
                            {"x-ratelimit-remaining-tokens-minute", "400"}})),
              "requests/minute limit=23 refused");
    EXPECT_EQ(told(mistral({{"x-ratelimitbysize-remaining-month", "0"}})), "tokens/month refused");
    EXPECT_EQ(told(mistral({{"x-ratelimit-remaining-req-minute", "0"},
                            {"x-ratelimit-remaining-tokens-minute", "0"}})),
              "none");
    const Failure day = mistral({{"x-ratelimit-remaining-req-day", "0"}});
    EXPECT_EQ(told(day), "requests/day refused");
    expect(day,
           {Outcome::exhausted, Scope::target, Window::day, std::chrono::milliseconds(43'195'000)});
    EXPECT_EQ(told(mistral({{"x-ratelimit-limit-req-minute", "0"},
                            {"x-ratelimit-remaining-req-minute", "0"}})),
              "none");
}

TEST(RefusedRate, Anthropic) {
    auto anthropic = [](std::string_view text, Headers headers = {}) {
        return told(Provider::anthropic, 429,
                    R"({"type":"error","error":{"type":"rate_limit_error","message":")" +
                        std::string(text) + R"("},"request_id":"req_1"})",
                    std::move(headers));
    };
    EXPECT_EQ(anthropic("This request would exceed the rate limit for your organization of 20,000 "
                        "input tokens per minute. For details, refer to"),
              "input_tokens/minute limit=20000 refused");
    EXPECT_EQ(anthropic("This request would exceed your organization's rate limit of 50 requests "
                        "per minute"),
              "requests/minute limit=50 refused");
    EXPECT_EQ(anthropic("Number of request tokens has exceeded your rate limit",
                        {{"anthropic-ratelimit-output-tokens-limit", "8000"},
                         {"anthropic-ratelimit-output-tokens-remaining", "0"},
                         {"anthropic-ratelimit-output-tokens-reset", "2026-11-22T12:00:25Z"}}),
              "output_tokens/minute limit=8000 reset=20000 refused");
    // How fast use may grow is no quota.
    EXPECT_EQ(anthropic("This request would exceed your organization's maximum usage increase rate "
                        "for input tokens per minute."),
              "none");
    EXPECT_EQ(anthropic("x", {{"anthropic-ratelimit-unified-status", "rejected"},
                              {"anthropic-ratelimit-unified-5h-status", "allowed"},
                              {"anthropic-ratelimit-unified-7d-status", "rejected"},
                              {"anthropic-ratelimit-unified-7d-utilization", "1.0"},
                              {"anthropic-ratelimit-unified-7d-reset", "1795435205"}}),
              "utilization/7d limit=1 used=1 reset=86400000 refused");
}

TEST(RefusedRate, CreditOfHuggingFace) {
    EXPECT_EQ(told(Provider::huggingface, 402,
                   R"({"error":"You have depleted your monthly included credits. Purchase …"})"),
              "huggingface-router usd/month refused");
    EXPECT_EQ(told(Provider::huggingface, 429, R"({"error":"Too many requests"})",
                   {{"x-ratelimit-remaining-requests-day", "0"}}),
              "none");
}

TEST(RefusedRate, CodingPlans) {
    auto plan = [](std::string_view code, std::string_view text) {
        return told(Provider::openai_compatible, 429,
                    fmt::format(R"({{"error":{{"code":"{}","message":"{}"}}}})", code, text));
    };
    EXPECT_EQ(plan("1308",
                   "Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 "
                   "21:00:05"),
              "utilization/5h limit=1 used=1 reset=3600000 refused");
    EXPECT_EQ(plan("1310", "Weekly limit exhausted. Your limit will reset at 2026-11-23 20:00:05"),
              "utilization/7d limit=1 used=1 reset=86400000 refused");
    EXPECT_EQ(plan("1302", "High concurrency usage of this API"), "none");
    EXPECT_EQ(plan("1113", "Insufficient balance or no resource package."), "none");
}

TEST(RefusedRate, OnlyRefusalsHaveOne) {
    EXPECT_EQ(told(Provider::groq, 500, reached("tokens per day (TPD): Limit 1, Used 1")), "none");
    EXPECT_EQ(told(Provider::groq, 401, reached("tokens per day (TPD): Limit 1, Used 1")), "none");
    EXPECT_EQ(told(Provider::groq, 429, "<html><h1>429</h1></html>"), "none");
    EXPECT_EQ(
        told(classify_embedded(
            Provider::groq,
            R"({"error":{"message":"Rate limit reached for model `M` on tokens per day (TPD): Limit 100, Used 90, Requested 20","type":"tokens","code":"rate_limit_exceeded"}})",
            kNow)),
        "tokens/day limit=100 used=90 requested=20 refused");
}

TEST(Axis, WordsMustBeWhole) {
    EXPECT_TRUE(axis_at("tokens per min. limit: 5"));
    EXPECT_TRUE(axis_at("api calls/minute"));
    EXPECT_TRUE(axis_at("(rpd)"));
    for (std::string_view text :
         {"tokens per minus", "tokens per", "tokens", "", "(", "tokenspermin",
          "enqueued tokens per day", "tokens per minute (rpm)", "requests"})
        EXPECT_FALSE(axis_at(text)) << text;
    EXPECT_FALSE(axis_of_bucket("limit on tokens per day, on tokens per minute"));
    EXPECT_FALSE(counted_axis("of 5 tokens per day or 6 tokens per minute"));
    EXPECT_FALSE(counted_axis("version1 tokens per day, 5"));
}

}  // namespace
}  // namespace llm
