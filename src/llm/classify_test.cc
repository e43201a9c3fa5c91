#include "llm/classify_testing.h"

namespace llm {
namespace {

using namespace classifying;
using namespace std::chrono_literals;

std::string groq(std::string_view axis, std::string_view numbers, std::string_view again) {
    return R"({"error":{"message":"Rate limit reached for model `M` in organization `org_01abcdefgh` service tier `on_demand` on )" +
           std::string(axis) + ": " + std::string(numbers) + ". Please try again in " +
           std::string(again) +
           R"(. Need more tokens? Upgrade to Dev Tier today%3F","type":"tokens","code":"rate_limit_exceeded"}})";
}

TEST(ClassifyGroq, AxisNamesTheWindow) {
    const Provider p = Provider::groq;
    expect(
        read(p, 429,
             groq("tokens per day (TPD)", "Limit 100000, Used 97050, Requested 3619", "9m38.016s"),
             {{"retry-after", "579"}}),
        {Outcome::exhausted, Scope::target, Window::day, 579s});
    expect(
        read(p, 429,
             groq("tokens per minute (TPM)", "Limit 12000, Used 4437, Requested 9854", "11.455s")),
        {Outcome::rate_limited, Scope::target, Window::minute, 11455ms});
    expect(read(p, 429, groq("requests per minute (RPM)", "Limit 30, Used 30, Requested 1", "2s")),
           {Outcome::rate_limited, Scope::target, Window::minute, 2s});
    expect(read(p, 429,
                groq("seconds of audio per hour (ASPH)", "Limit 7200, Used 5956, Requested ~2336",
                     "9m6s")),
           {Outcome::exhausted, Scope::target, Window::hour, 546s});
    expect(read(p, 429,
                groq("seconds of audio per day (ASPD)", "Limit 28800, Used 28000, Requested 900",
                     "5m0s")),
           {Outcome::exhausted, Scope::target, Window::day, 300s});
    expect(read(p, 429, groq("frobs per fortnight", "Limit 30, Used 30, Requested 1", "2s")),
           {Outcome::rate_limited, Scope::target, Window::none, 2s});
}

TEST(ClassifyGroq, AFullBucketHeaderIsNotTheReturn) {
    Headers headers{{"x-ratelimit-remaining-requests", "0"},
                    {"x-ratelimit-reset-requests", "23h59m"},
                    {"retry-after", "7"}};
    expect(
        read(Provider::groq, 429,
             groq("requests per day (RPD)", "Limit 14400, Used 14400, Requested 1", "6s"), headers),
        {Outcome::exhausted, Scope::target, Window::day, 7s});
}

TEST(ClassifyGroq, NeverFits) {
    const char* body =
        R"({"error":{"message":"Request too large for model `M` in organization `org_01abcdefgh` on tokens per minute (TPM): Limit 6000, Requested 14368, please reduce your message size","type":"tokens","code":"rate_limit_exceeded"}})";
    expect(read(Provider::groq, 413, body, {{"retry-after", "9"}}),
           {Outcome::too_large, Scope::request});
    expect(read(Provider::groq, 429,
                groq("tokens per minute (TPM)", "Limit 6000, Used 0, Requested 14368", "1m23s")),
           {Outcome::too_large, Scope::request});
}

TEST(ClassifyGroq, QualityFailuresAndFlex) {
    expect(
        read(
            Provider::groq, 400,
            R"({"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<f>"}})"),
        {Outcome::malformed, Scope::request});
    expect(read(Provider::groq, 498,
                R"({"error":{"message":"Flex tier at capacity","code":"capacity_exceeded"}})"),
           {Outcome::busy, Scope::target});
    expect(
        read(
            Provider::groq, 400,
            R"({"error":{"message":"The model `x` has been decommissioned","code":"model_decommissioned"}})"),
        {Outcome::gone, Scope::target});
}

TEST(ClassifyCerebras, ThreeFlatKinds) {
    const Provider p = Provider::cerebras;
    expect(
        read(
            p, 429,
            R"({"message":"Requests per minute limit exceeded - too many requests sent.","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"})",
            {{"retry-after", "57"}}),
        {Outcome::rate_limited, Scope::target, Window::minute, 57s});
    expect(
        read(
            p, 429,
            R"({"message":"Tokens per day limit exceeded - too many tokens processed.","type":"too_many_tokens_error","param":"quota","code":"token_quota_exceeded"})"),
        {Outcome::exhausted, Scope::target, Window::day});
    expect(
        read(
            p, 429,
            R"({"message":"We're experiencing high traffic right now! Please try again soon.","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"})",
            {{"x-should-retry", "false"}}),
        {Outcome::busy, Scope::target, Window::none, 3s});
    Failure format = read(
        p, 400,
        R"({"message":"body.messages.1.assistant.reasoning_content: property 'reasoning_content' is unsupported","type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"})");
    expect(format, {Outcome::unsupported, Scope::request});
    EXPECT_EQ(format.parameter, "reasoning_content");
    expect(read(p, 403, "<!DOCTYPE html><html><head><title>Just a moment...</title>"),
           {Outcome::transient, Scope::target});
    expect(read(p, 402, R"({"message":"Payment required"})"), {Outcome::exhausted, Scope::account});
    expect(read(p, 401, R"({"message":"Wrong API Key","code":"wrong_api_key"})"),
           {Outcome::unauthorized, Scope::account});
}

TEST(ClassifyCerebras, HeadersNameTheEmptyBucket) {
    Headers headers{{"x-ratelimit-remaining-requests-day", "0"},
                    {"x-ratelimit-reset-requests-day", "33011.382867097855"},
                    {"x-ratelimit-remaining-tokens-minute", "500"},
                    {"x-ratelimit-reset-tokens-minute", "99999"}};
    expect(read(Provider::cerebras, 429, "{}", headers),
           {Outcome::exhausted, Scope::target, Window::day, 33011383ms});
}

TEST(ClassifyOpenRouter, FreePoolDayAndMinute) {
    std::string body =
        R"({"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795392000000"}}},"user_id":"user_2abcdefgh"})";
    Failure day = read(Provider::openrouter, 429, body);
    expect(day, {Outcome::exhausted, Scope::pool, Window::day, 43195s});
    EXPECT_EQ(day.pool, "openrouter-free");
    expect(
        read(
            Provider::openrouter, 429,
            R"({"error":{"message":"Rate limit exceeded: free-models-per-day-high-balance. ","code":429}})"),
        {Outcome::exhausted, Scope::pool, Window::day, 43195s});
    expect(
        read(
            Provider::openrouter, 429,
            R"({"error":{"message":"Rate limit exceeded","code":429,"metadata":{"limit_source":"openrouter_free_tier_daily"}}})"),
        {Outcome::exhausted, Scope::pool, Window::day, 43195s});
    expect(
        read(
            Provider::openrouter, 429,
            R"({"error":{"message":"Rate limit exceeded: free-models-per-min. Add 10 credits to unlock 1000 free model requests per day","code":429}})"),
        {Outcome::rate_limited, Scope::pool, Window::minute, 60s});
}

TEST(ClassifyOpenRouter, UpstreamsMoneyAndModeration) {
    const Provider p = Provider::openrouter;
    Failure upstream = read(
        p, 429,
        R"({"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"v/m:free is temporarily rate-limited upstream. Please retry shortly","provider_name":"Chutes"}}})");
    expect(upstream, {Outcome::rate_limited, Scope::target, Window::none, 30s});
    EXPECT_NE(upstream.detail.find("temporarily rate-limited"), std::string::npos);
    const Failure short_of_money = read(
        p, 402,
        R"({"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 212. To increase, visit https://openrouter.ai/settings/credits","code":402}})");
    expect(short_of_money, {Outcome::exhausted, Scope::pool});
    EXPECT_EQ(short_of_money.affordable, 212u);
    Failure broke = read(p, 402, R"({"error":{"message":"Insufficient credits","code":402}})");
    expect(broke, {Outcome::exhausted, Scope::pool});
    EXPECT_EQ(broke.pool, "openrouter-paid");
    EXPECT_FALSE(broke.rate);
    EXPECT_FALSE(broke.affordable);
    expect(
        read(
            p, 403,
            R"({"error":{"message":"flagged","code":403,"metadata":{"reasons":["violence"],"flagged_input":"…"}}})"),
        {Outcome::content_filtered, Scope::request});
    expect(
        read(p, 403, R"x({"error":{"message":"Key limit exceeded (monthly limit)","code":403}})x"),
        {Outcome::exhausted, Scope::account});
    expect(read(p, 404, R"({"error":{"message":"No endpoints found for v/m.","code":404}})"),
           {Outcome::gone, Scope::target});
    expect(
        read(p, 503,
             R"({"error":{"message":"overloaded","code":503,"availability":{"retry_after":12}}})"),
        {Outcome::busy, Scope::target, Window::none, 12s});
    Failure in_200 = classify_embedded(
        p, R"({"error":{"code":"429","message":"Rate limited"},"choices":[]})", kNow);
    expect(in_200, {Outcome::rate_limited, Scope::target});
    EXPECT_EQ(in_200.status, 200);
}

TEST(ClassifyHuggingFace, MonthModelAndToken) {
    const Provider p = Provider::huggingface;
    expect(
        read(
            p, 402,
            R"({"error":"You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers."})"),
        {Outcome::exhausted, Scope::account, Window::month, 734395s});
    expect(read(p, 400, R"({"error":"Model not supported by provider groq"})"),
           {Outcome::gone, Scope::target});
    expect(read(p, 403, R"({"error":"insufficient permissions"})"),
           {Outcome::unauthorized, Scope::account});
    expect(read(p, 429, R"({"error":"Too many requests"})"),
           {Outcome::rate_limited, Scope::target, Window::none, 60s});
    expect(read(p, 503, R"({"error":"Model v/m is currently loading","estimated_time":20.0})"),
           {Outcome::busy, Scope::target, Window::none, 20s});
}

TEST(ClassifyMistral, TheClockAndTheHeadersTell) {
    const Provider p = Provider::mistral;
    const char* body =
        R"({"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429})";
    expect(read(p, 429, body), {Outcome::rate_limited, Scope::target, Window::minute, 55s});
    expect(read(p, 429, R"({"message":"Requests rate limit exceeded"})"),
           {Outcome::rate_limited, Scope::target, Window::minute, 55s});
    expect(read(p, 429, body, {{"x-ratelimit-limit-req-minute", "0"}}),
           {Outcome::gone, Scope::target, Window::none, 24h});
    expect(read(p, 429, body, {{"x-ratelimit-remaining-tokens-month", "0"}}),
           {Outcome::exhausted, Scope::account, Window::month, 734395s});
    expect(read(p, 429,
                R"({"message":"Service tier capacity exceeded for this model.","code":"3505"})"),
           {Outcome::busy, Scope::target, Window::none, 30s});
}

TEST(ClassifyMistral, ThreeShapesOf422) {
    for (
        std::string_view body :
        {R"({"detail":[{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted","input":true}]})",
         R"({"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error","code":3001})",
         R"({"object":"error","message":[{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted"}],"type":"invalid_request_error"})"}) {
        Failure failure = read(Provider::mistral, 422, body);
        expect(failure, {Outcome::unsupported, Scope::request});
        EXPECT_EQ(failure.parameter, "store");
    }
    expect(read(Provider::mistral, 401, R"({"detail":"Unauthorized"})"),
           {Outcome::unauthorized, Scope::account});
    expect(
        read(
            Provider::mistral, 400,
            R"({"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"})"),
        {Outcome::gone, Scope::target});
    expect(
        read(
            Provider::mistral, 400,
            R"({"object":"error","message":"Unexpected role 'user' after role 'tool'","type":"invalid_request_message_order","code":"3230"})"),
        {Outcome::bad_request, Scope::request});
}

TEST(ClassifyCohere, MinuteAndMonthDifferInAWord) {
    const Provider p = Provider::cohere;
    expect(
        read(
            p, 429,
            R"({"id":"1","message":"You are using a Trial key, which is limited to 20 API calls / minute. You can continue to use the Trial key for free or upgrade to a Production key"})"),
        {Outcome::rate_limited, Scope::target, Window::minute, 60s});
    expect(
        read(
            p, 429,
            R"({"id":"1","message":"You are using a Trial key, which is limited to 1000 API calls / month. You can continue …"})"),
        {Outcome::exhausted, Scope::account, Window::month, 734395s});
    expect(
        read(p, 429,
             R"({"message":"trial token rate limit exceeded, limit is 100000 tokens per minute"})"),
        {Outcome::rate_limited, Scope::target, Window::minute, 60s});
    expect(read(p, 429, R"({"message":"Please wait and try again later"})"),
           {Outcome::rate_limited, Scope::target, Window::none, 60s});
    for (const auto& [stated, back_in] : {std::pair("12", 12s), std::pair("90", 90s)})
        expect(read(p, 429, R"({"message":"limited to 20 API calls / minute"})",
                    {{"Retry-After", stated}}),
               {Outcome::rate_limited, Scope::target, Window::minute, back_in});
    expect(
        read(p, 429, R"({"message":"limited to 1000 API calls / month"})", {{"Retry-After", "12"}}),
        {Outcome::exhausted, Scope::account, Window::month, 734395s});
    expect(read(p, 498, R"({"message":"blocked token"})"),
           {Outcome::content_filtered, Scope::request});
    expect(read(p, 400, R"({"message":"too many tokens: size limit exceeded by 11 tokens"})"),
           {Outcome::context_overflow, Scope::request});
}

TEST(ClassifyAnthropic, Kinds) {
    const Provider p = Provider::anthropic;
    expect(
        read(
            p, 400,
            R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}})"),
        {Outcome::exhausted, Scope::account});
    expect(
        read(
            p, 400,
            R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}})"),
        {Outcome::context_overflow, Scope::request});
    Headers headers{{"retry-after", "12"},
                    {"anthropic-ratelimit-input-tokens-remaining", "0"},
                    {"anthropic-ratelimit-input-tokens-reset", "2026-11-22T12:00:25Z"},
                    {"anthropic-ratelimit-requests-remaining", "49"},
                    {"anthropic-ratelimit-requests-reset", "2026-11-22T13:00:00Z"}};
    expect(
        read(
            p, 429,
            R"({"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed the rate limit for your organization of 20,000 input tokens per minute."},"request_id":"req_1"})",
            headers),
        {Outcome::rate_limited, Scope::target, Window::minute, 20s});
    expect(read(p, 529,
                R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"),
           {Outcome::busy, Scope::target, Window::none, 15s});
    expect(
        read(p, 404,
             R"({"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}})"),
        {Outcome::gone, Scope::target});
    expect(
        read(
            p, 413,
            R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})"),
        {Outcome::too_large, Scope::request});
    expect(read(p, 403, R"({"type":"error","error":{"type":"permission_error","message":"no"}})"),
           {Outcome::unauthorized, Scope::account});
    expect(
        classify_embedded(
            p,
            R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null})",
            kNow),
        {Outcome::busy, Scope::target, Window::none, 15s});
    expect(read(p, 429, "{}",
                {{"anthropic-ratelimit-unified-status", "rejected"},
                 {"anthropic-ratelimit-unified-reset", "1795352405"}}),
           {Outcome::exhausted, Scope::account, Window::hour, 3600s});
    expect(read(p, 402, R"({"type":"error","error":{"type":"billing_error","message":"Pay."}})"),
           {Outcome::exhausted, Scope::account});
    expect(
        read(
            p, 400,
            R"({"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block"}})"),
        {Outcome::unsupported, Scope::request});
}

/// z.ai speaks Anthropic's protocol too: its codes come bare or in Anthropic's wrapper.
TEST(ClassifyAnthropic, ZaiCodes) {
    auto zai = [](std::string_view code, std::string_view message, bool wrapped, bool inside) {
        std::string error = R"({"error":{"code":")" + std::string(code) + R"(","message":")" +
                            std::string(message) + "\"}}";
        if (wrapped) error.insert(1, R"("type":"error",)");
        return inside ? classify_embedded(Provider::anthropic, error, kNow)
                      : read(Provider::anthropic, code == "1261" ? 400 : 429, error);
    };
    for (bool wrapped : {false, true})
        for (bool inside : {false, true}) {
            expect(zai("1302", "High concurrency", wrapped, inside),
                   {Outcome::busy, Scope::account, Window::none, 1s});
            expect(zai("1303", "High frequency", wrapped, inside),
                   {Outcome::rate_limited, Scope::target});
            expect(zai("1305", "Too many", wrapped, inside),
                   {Outcome::busy, Scope::target, Window::none, 5s});
            expect(zai("1113", "No package", wrapped, inside),
                   {Outcome::exhausted, Scope::account});
            expect(zai("1261", "Too long", wrapped, inside),
                   {Outcome::context_overflow, Scope::request});
            expect(zai("1001", "No token", wrapped, inside),
                   {Outcome::unauthorized, Scope::account});
            expect(
                zai("1308",
                    "Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 21:00:05",
                    wrapped, inside),
                {Outcome::exhausted, Scope::account, Window::hour, 3600s});
            expect(zai("1310", "Weekly limit. Your limit will reset at 2026-11-23 20:00:05",
                       wrapped, inside),
                   {Outcome::exhausted, Scope::account, Window::day, 24h});
        }
}

TEST(ClassifyImages, ContentMoneyAndTheMemberOfThatName) {
    const Provider p = Provider::openai;
    expect(
        read(
            p, 400,
            R"({"error":{"message":"Your request was rejected by the safety system.","type":"image_generation_user_error","param":null,"code":"moderation_blocked"}})"),
        {Outcome::content_filtered, Scope::request});
    expect(
        read(
            p, 400,
            R"({"error":{"message":"Billing hard limit has been reached","type":"image_generation_user_error","param":null,"code":"billing_hard_limit_reached"}})"),
        {Outcome::exhausted, Scope::account});
    const Failure unknown = read(
        p, 400,
        R"({"error":{"message":"Unknown parameter: 'moderation'.","type":"invalid_request_error","param":"moderation","code":"unknown_parameter"}})");
    expect(unknown, {Outcome::unsupported, Scope::request});
    EXPECT_EQ(unknown.parameter, "moderation");
}

TEST(ClassifyImages, BusyIsNotAFailedLoad) {
    const Provider p = Provider::openai_compatible;
    expect(read(p, 503,
                R"({"error":{"message":"another load or generation is in progress, try again"}})"),
           {Outcome::busy, Scope::target});
    expect(read(p, 503, R"({"error":"load failed: the device is busy"})"),
           {Outcome::transient, Scope::target});
    expect(read(p, 503, R"({"error":{"message":"load failed: sd-server is not ready"}})"),
           {Outcome::transient, Scope::target});
}

TEST(ClassifyImages, WhatTheWrapperAndItsServerSay) {
    const Provider p = Provider::openai_compatible;
    expect(read(p, 502, "Bad Gateway"), {Outcome::transient, Scope::target});
    expect(
        read(p, 500, R"({"error":"server_error","message":"generate_image returned no images"})"),
        {Outcome::transient, Scope::target});
    expect(read(p, 400, R"({"error":"prompt required"})"), {Outcome::bad_request, Scope::request});
}

}  // namespace
}  // namespace llm
