#include "llm/classify_testing.h"

namespace llm {
namespace {

using namespace classifying;
using namespace std::chrono_literals;

TEST(ClassifyOpenAi, BucketsAndMoney) {
    const Provider p = Provider::openai;
    auto limit = [](std::string_view axis, std::string_view numbers, std::string_view again) {
        return R"({"error":{"message":"Rate limit reached for gpt-4o in organization org-abcdefgh on )" +
               std::string(axis) + ": " + std::string(numbers) + ". Please try again in " +
               std::string(again) +
               R"(.","type":"tokens","param":null,"code":"rate_limit_exceeded"}})";
    };
    expect(read(p, 429,
                limit("tokens per min (TPM)", "Limit 30000, Used 29000, Requested 2000", "2s")),
           {Outcome::rate_limited, Scope::target, Window::minute, 2s});
    expect(read(p, 429,
                limit("requests per day (RPD)", "Limit 1000, Used 1000, Requested 1", "1m26.4s")),
           {Outcome::exhausted, Scope::target, Window::day, 86400ms});
    expect(
        read(
            p, 429,
            R"({"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}})"),
        {Outcome::exhausted, Scope::account});
    expect(
        read(
            p, 429,
            R"({"error":{"message":"Request too large for gpt-4o in organization org-abcdefgh on tokens per min (TPM): Limit 30000, Requested 40000.","type":"tokens","code":"rate_limit_exceeded"}})"),
        {Outcome::too_large, Scope::request});
    expect(read(p, 429, R"({"error":{"message":"Slow down","code":"x"}})",
                {{"retry-after-ms", "350.5"}, {"retry-after", "1"}}),
           {Outcome::busy, Scope::target, Window::none, 1s});
    Failure parameter = read(
        p, 400,
        R"({"error":{"message":"Unsupported value: 'temperature' does not support 0.2","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}})");
    expect(parameter, {Outcome::unsupported, Scope::request});
    EXPECT_EQ(parameter.parameter, "temperature");
    expect(
        read(
            p, 400,
            R"({"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}})"),
        {Outcome::context_overflow, Scope::request});
    expect(read(p, 400, R"({"error":{"message":"blocked","code":"content_policy_violation"}})"),
           {Outcome::content_filtered, Scope::request});
    expect(
        read(
            p, 400,
            R"({"error":{"message":"Invalid type for 'messages[0].content'","type":"invalid_request_error","code":"invalid_type"}})"),
        {Outcome::bad_request, Scope::request});
}

TEST(ClassifyAny, LongPromptsInManyWords) {
    const std::pair<int, std::string_view> kSaid[] = {
        {422, "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000"},
        {422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."},
        {400, "The input token count (9) exceeds the maximum number of tokens allowed (8)."},
        {400, "This model's maximum prompt length is 131072 but the request has 500000 tokens."},
        {500, "context size exceeded"}};
    for (const auto& [status, words] : kSaid)
        expect(read(Provider::openai_compatible, status,
                    R"({"error":{"message":")" + std::string(words) + R"("}})"),
               {Outcome::context_overflow, Scope::request});
}

TEST(ClassifyCompatible, ZaiAndLocalEngines) {
    const Provider p = Provider::openai_compatible;
    expect(
        read(p, 429, R"({"error":{"code":"1302","message":"High concurrency usage of this API"}})"),
        {Outcome::busy, Scope::account, Window::none, 1s});
    expect(
        read(
            p, 429,
            R"({"error":{"code":"1308","message":"Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 21:00:05"}})"),
        {Outcome::exhausted, Scope::account, Window::hour, 3600s});
    expect(
        read(
            p, 429,
            R"({"error":{"code":"1113","message":"Insufficient balance or no resource package."}})"),
        {Outcome::exhausted, Scope::account});
    expect(read(p, 409, R"({"detail":"workspace busy, retry later"})"),
           {Outcome::busy, Scope::target});
    expect(read(p, 503, R"({"error":{"message":"busy"}})"), {Outcome::busy, Scope::target});
    expect(read(p, 503,
                R"({"error":{"message":"Loading model","type":"unavailable_error","code":503}})"),
           {Outcome::busy, Scope::target});
    expect(read(p, 404, ""), {Outcome::gone, Scope::target});
    expect(read(p, 401, R"({"detail":"unauthorized"})"), {Outcome::unauthorized, Scope::account});
    expect(read(Provider::ollama, 404, R"({"error":"model 'x' not found"})"),
           {Outcome::gone, Scope::target});
    for (const char* text :
         {"model requires more system memory (5.6 GiB) than is available (2 GiB)",
          "llama runner process has terminated: cudaMalloc failed: out of memory"})
        expect(read(Provider::ollama, 500, std::string(R"({"error":")") + text + R"("})"),
               {Outcome::busy, Scope::target});
    expect(read(Provider::ollama, 503,
                R"({"error":"server busy, please try again.  maximum pending requests exceeded"})"),
           {Outcome::busy, Scope::target});
}

TEST(ClassifyAny, StatusAndReturn) {
    const Provider p = Provider::openai_compatible;
    for (int status : {301, 307, 500, 502, 599})
        expect(read(p, status, "oops"), {Outcome::transient, Scope::target});
    for (int status : {408, 504}) expect(read(p, status, ""), {Outcome::timeout, Scope::target});
    expect(read(p, 413, ""), {Outcome::too_large, Scope::request});
    expect(read(p, 429, ""), {Outcome::rate_limited, Scope::target});
    expect(read(p, 429, "", {{"Retry-After", "Sun, 22 Nov 2026 12:01:35 GMT"}}),
           {Outcome::rate_limited, Scope::target, Window::none, 90s});
    expect(
        read(p, 429, "Too many requests. Retry after 40 seconds, please.", {{"retry-after", "5"}}),
        {Outcome::rate_limited, Scope::target, Window::none, 40s});
    expect(read(p, 503, "", {{"retry-after", "7"}}),
           {Outcome::transient, Scope::target, Window::none, 7s});
    expect(read(p, 429, "limit of 5 per minute and 100 per day"),
           {Outcome::rate_limited, Scope::target});
    expect(classify_embedded(p, R"({"error":{"message":"odd"}})", kNow),
           {Outcome::malformed, Scope::request});
    EXPECT_EQ(read(p, 503, "<html><body><h1>503 Service Unavailable</h1>").detail,
              "503 Service Unavailable");
}

TEST(ClassifyAny, DetailHoldsNoSecretOfJsonInsideText) {
    std::string body = R"({"error":{"message":"upstream said {\\nsk-abcdef123456\\n}"}})";
    EXPECT_EQ(read(Provider::openai, 400, body).detail, R"(upstream said {\n[redacted]\n})");
}

TEST(ClassifyAny, DetailHoldsNoSecrets) {
    std::string body =
        R"({"error":{"message":"Incorrect API key provided: sk-proj-abcdef123456. Organization org_01h2xyzabc, Bearer abc.DEF-123, user_2abcdefgh, gsk_abcdefgh12, csk-12345678, hf_abcdefgh, see https://me:secret@host/x and 0123456789abcdef0123456789abcdef","code":"invalid_api_key"}})";
    std::string detail = read(Provider::openai, 401, body).detail;
    for (std::string_view secret : {"abcdef123456", "01h2xyzabc", "DEF-123", "2abcdefgh", "gsk_",
                                    "csk-", "hf_", "secret", "0123456789abcdef"})
        EXPECT_EQ(detail.find(secret), std::string::npos) << secret << " in " << detail;
    EXPECT_NE(detail.find("@host/x"), std::string::npos) << detail;
    EXPECT_LE(
        read(Provider::openai, 400, R"({"error":{"message":")" + std::string(5000, 'x') + "\"}}")
            .detail.size(),
        300u);
    EXPECT_EQ(
        read(
            Provider::openai, 400,
            R"({"error":{"message":"gpt-4o-mini, meta-llama/llama-4-scout-17b-16e-instruct and user_id ok"}})")
            .detail,
        "gpt-4o-mini, meta-llama/llama-4-scout-17b-16e-instruct and user_id ok");
}

}  // namespace
}  // namespace llm
