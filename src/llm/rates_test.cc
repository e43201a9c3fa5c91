#include "llm/rates.h"

#include "base/units.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace llm {
namespace {

using base::Provider;

/// 2026-11-22T12:00:05Z
const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

std::string figure(const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : "-";
}

/// One line a quota: "requests/day limit=14400 remaining=14399 used=- reset=6000".
std::string told(Provider provider, const std::vector<Header>& headers) {
    std::string out;
    for (const Rate& rate :
         header_rates(provider, {.status = 200, .headers = headers, .body = {}}, kNow)) {
        if (!rate.pool.empty()) out += rate.pool + ' ';
        out +=
            fmt::format("{}/{} limit={} remaining={} used={} reset={}{}\n", base::name(rate.metric),
                        rate.window, figure(rate.limit), figure(rate.remaining), figure(rate.used),
                        rate.reset_in ? std::to_string(rate.reset_in->count()) : "-",
                        rate.refused ? " refused" : "");
    }
    return out;
}

TEST(Rates, GroqRequestsAreOfTheDayAndTokensOfTheMinute) {
    EXPECT_EQ(told(Provider::groq, {{"x-ratelimit-limit-requests", "14400"},
                                    {"x-ratelimit-limit-tokens", "6000"},
                                    {"x-ratelimit-remaining-requests", "14370"},
                                    {"x-ratelimit-remaining-tokens", "5997"},
                                    {"x-ratelimit-reset-requests", "2m59.56s"},
                                    {"x-ratelimit-reset-tokens", "7.66s"},
                                    {"x-groq-region", "fra"},
                                    {"x-request-id", "req_1"}}),
              "requests/day limit=14400 remaining=14370 used=- reset=179560\n"
              "tokens/minute limit=6000 remaining=5997 used=- reset=7660\n");
    // The arithmetic of one request a minute changes nothing about that.
    EXPECT_EQ(told(Provider::groq, {{"x-ratelimit-limit-requests", "30"},
                                    {"x-ratelimit-remaining-requests", "29"},
                                    {"x-ratelimit-reset-requests", "2s"}}),
              "requests/day limit=30 remaining=29 used=- reset=2000\n");
}

TEST(Rates, CerebrasGrid) {
    std::vector<Header> headers;
    for (const char* metric : {"requests", "tokens"})
        for (const char* window : {"minute", "hour", "day"}) {
            const std::string suffix = fmt::format("{}-{}", metric, window);
            headers.push_back({"x-ratelimit-limit-" + suffix, "900"});
            headers.push_back({"X-RateLimit-Remaining-" + suffix, "899"});
            headers.push_back({"x-ratelimit-reset-" + suffix, "33011.382867097855"});
        }
    EXPECT_EQ(told(Provider::cerebras, headers),
              "requests/minute limit=900 remaining=899 used=- reset=33011383\n"
              "requests/hour limit=900 remaining=899 used=- reset=33011383\n"
              "requests/day limit=900 remaining=899 used=- reset=33011383\n"
              "tokens/minute limit=900 remaining=899 used=- reset=33011383\n"
              "tokens/hour limit=900 remaining=899 used=- reset=33011383\n"
              "tokens/day limit=900 remaining=899 used=- reset=33011383\n");
}

TEST(Rates, OpenAiWindowFollowsFromTheRefill) {
    EXPECT_EQ(told(Provider::openai, {{"x-ratelimit-limit-requests", "10000"},
                                      {"x-ratelimit-remaining-requests", "9999"},
                                      {"x-ratelimit-reset-requests", "8.64s"},
                                      {"x-ratelimit-limit-tokens", "200000"},
                                      {"x-ratelimit-remaining-tokens", "199984"},
                                      {"x-ratelimit-reset-tokens", "5ms"},
                                      {"x-ratelimit-limit-input-images", "250"},
                                      {"x-ratelimit-remaining-input-images", "249"},
                                      {"x-ratelimit-reset-input-images", "240ms"},
                                      {"x-ratelimit-limit-project-tokens", "7"}}),
              "requests/day limit=10000 remaining=9999 used=- reset=8640\n"
              "tokens/minute limit=200000 remaining=199984 used=- reset=5\n"
              "images/minute limit=250 remaining=249 used=- reset=240\n");
    // The documentation's own example fits no bucket; a whole bucket tells nothing.
    EXPECT_EQ(told(Provider::openai, {{"x-ratelimit-limit-tokens", "150000"},
                                      {"x-ratelimit-remaining-tokens", "149984"},
                                      {"x-ratelimit-reset-tokens", "6m0s"},
                                      {"x-ratelimit-limit-requests", "60"},
                                      {"x-ratelimit-remaining-requests", "60"},
                                      {"x-ratelimit-reset-requests", "0s"}}),
              "tokens/ limit=150000 remaining=149984 used=- reset=360000\n"
              "requests/ limit=60 remaining=60 used=- reset=0\n");
}

TEST(Rates, AnthropicCombinedViewYieldsToItsParts) {
    std::vector<Header> headers{{"anthropic-ratelimit-requests-limit", "50"},
                                {"anthropic-ratelimit-requests-remaining", "49"},
                                {"anthropic-ratelimit-requests-reset", "2026-11-22T12:00:06Z"},
                                {"anthropic-ratelimit-tokens-limit", "38000"},
                                {"anthropic-ratelimit-tokens-remaining", "38000"},
                                {"anthropic-ratelimit-tokens-reset", "2026-11-22T12:00:05Z"}};
    EXPECT_EQ(told(Provider::anthropic, headers),
              "requests/minute limit=50 remaining=49 used=- reset=1000\n"
              "tokens/minute limit=38000 remaining=38000 used=- reset=0\n");
    headers.push_back({"anthropic-ratelimit-input-tokens-limit", "30000"});
    headers.push_back({"anthropic-ratelimit-input-tokens-remaining", "29000"});
    headers.push_back({"anthropic-ratelimit-input-tokens-reset", "2026-11-22T12:00:07Z"});
    headers.push_back({"anthropic-ratelimit-output-tokens-limit", "8000"});
    headers.push_back({"anthropic-ratelimit-output-tokens-remaining", "8000"});
    headers.push_back({"anthropic-priority-input-tokens-limit", "1"});
    EXPECT_EQ(told(Provider::anthropic, headers),
              "requests/minute limit=50 remaining=49 used=- reset=1000\n"
              "input_tokens/minute limit=30000 remaining=29000 used=- reset=2000\n"
              "output_tokens/minute limit=8000 remaining=8000 used=- reset=-\n");
}

TEST(Rates, AnthropicPlan) {
    std::vector<Header> headers{{"anthropic-ratelimit-unified-status", "rejected"},
                                {"anthropic-ratelimit-unified-5h-status", "rejected"},
                                {"anthropic-ratelimit-unified-5h-utilization", "1.0"},
                                {"anthropic-ratelimit-unified-5h-reset", "1795352405"},
                                {"anthropic-ratelimit-unified-7d-status", "allowed_warning"},
                                {"anthropic-ratelimit-unified-7d-utilization", "0.83"},
                                {"anthropic-ratelimit-unified-7d-reset", "1795435205"},
                                {"anthropic-ratelimit-unified-overage-status", "rejected"},
                                {"anthropic-ratelimit-unified-7d_opus-utilization", "0.5"}};
    EXPECT_EQ(told(Provider::anthropic, headers),
              "utilization/5h limit=1 remaining=- used=1 reset=3600000 refused\n"
              "utilization/7d limit=1 remaining=- used=0.83 reset=86400000\n");
    headers[0].value = "allowed";  // beyond the plan, for money
    EXPECT_EQ(told(Provider::anthropic, headers),
              "utilization/5h limit=1 remaining=- used=1 reset=3600000\n"
              "utilization/7d limit=1 remaining=- used=0.83 reset=86400000\n");
}

TEST(Rates, MistralBothGenerations) {
    EXPECT_EQ(told(Provider::mistral, {{"x-ratelimit-limit-req-minute", "23"},
                                       {"x-ratelimit-remaining-req-minute", "22"},
                                       {"x-ratelimit-limit-tokens-minute", "500000"},
                                       {"x-ratelimit-remaining-tokens-minute", "499000"},
                                       {"x-ratelimit-limit-tokens-month", "1000000000"},
                                       {"x-ratelimit-remaining-tokens-month", "999000000"},
                                       {"x-ratelimit-tokens-query-cost", "1000"},
                                       {"x-max-retry-attempts-reached", "0"}}),
              "requests/minute limit=23 remaining=22 used=- reset=-\n"
              "tokens/minute limit=500000 remaining=499000 used=- reset=-\n"
              "tokens/month limit=1000000000 remaining=999000000 used=- reset=-\n");
    const std::vector<Header> plain{{"ratelimitbysize-limit", "500000"},
                                    {"ratelimitbysize-remaining", "499968"},
                                    {"ratelimitbysize-reset", "49"},
                                    {"ratelimitbysize-query-cost", "32"}};
    EXPECT_EQ(told(Provider::mistral, plain),
              "tokens/minute limit=500000 remaining=499968 used=- reset=49000\n");
    std::vector<Header> both = plain;
    both.push_back({"x-ratelimitbysize-limit-minute", "500000"});
    both.push_back({"x-ratelimitbysize-remaining-minute", "499968"});
    both.push_back({"x-ratelimitbysize-limit-month", "1000000000"});
    both.push_back({"x-ratelimitbysize-remaining-month", "999999968"});
    EXPECT_EQ(told(Provider::mistral, both),
              "tokens/minute limit=500000 remaining=499968 used=- reset=-\n"
              "tokens/month limit=1000000000 remaining=999999968 used=- reset=-\n");
    // No allowance at all is no quota.
    EXPECT_EQ(told(Provider::mistral, {{"x-ratelimit-limit-req-minute", "0"},
                                       {"x-ratelimit-remaining-req-minute", "0"}}),
              "");
}

TEST(Rates, Cohere) {
    EXPECT_EQ(told(Provider::cohere, {{"x-trial-endpoint-call-limit", "20"},
                                      {"x-trial-endpoint-call-remaining", "19"},
                                      {"x-endpoint-monthly-call-limit", "1000"},
                                      {"x-endpoint-name", "chat"}}),
              "requests/minute limit=20 remaining=19 used=- reset=-\n"
              "requests/month limit=1000 remaining=- used=- reset=-\n");
}

TEST(Rates, OpenRouterMinuteOrDay) {
    auto free = [](const char* limit, const std::string& reset) {
        return told(Provider::openrouter, {{"X-RateLimit-Limit", limit},
                                           {"X-RateLimit-Remaining", "0"},
                                           {"X-RateLimit-Reset", reset}});
    };
    EXPECT_EQ(free("50", "1795392000000"),
              "openrouter-free requests/day limit=50 remaining=0 used=- reset=43195000\n");
    EXPECT_EQ(free("20", "1795348860000"),
              "openrouter-free requests/minute limit=20 remaining=0 used=- reset=55000\n");
    // A thousand by the minute is known of nobody, nor is a window of a week.
    EXPECT_EQ(free("1000", "1795348860000"),
              "openrouter-free requests/ limit=1000 remaining=0 used=- reset=55000\n");
    EXPECT_EQ(free("50", "1795953605000"),
              "openrouter-free requests/ limit=50 remaining=0 used=- reset=604800000\n");
    EXPECT_EQ(free("50", "soon"),
              "openrouter-free requests/ limit=50 remaining=0 used=- reset=-\n");
}

TEST(Rates, OpenRouterInTheDaysLastMinute) {
    const base::WallTime late = *base::utc(2026, 11, 22, 23, 59, 30);
    auto window = [late](std::vector<Header> headers) {
        headers.push_back({"x-ratelimit-reset", "1795392000000"});
        headers.push_back({"x-ratelimit-remaining", "0"});
        return header_rates(Provider::openrouter, {.status = 429, .headers = headers, .body = {}},
                            late)
            .at(0)
            .window;
    };
    EXPECT_EQ(window({{"x-ratelimit-limit", "50"}}), "day");
    EXPECT_EQ(window({{"x-ratelimit-limit", "20"}}), "minute");
    EXPECT_EQ(window({}), "");
}

TEST(Rates, CompatibleServers) {
    const Provider p = Provider::openai_compatible;
    EXPECT_EQ(told(p, {{"x-ratelimit-limit-requests", "60"},
                       {"x-ratelimit-remaining-requests", "59"},
                       {"x-ratelimit-reset-requests", "1s"},
                       {"x-ratelimit-remaining-tokens-day", "12.5"}}),
              "requests/ limit=60 remaining=59 used=- reset=1000\n"
              "tokens/day limit=- remaining=12.5 used=- reset=-\n");
    EXPECT_EQ(told(p, {{"RateLimit-Limit", "100, 10;w=1, 100;w=60"},
                       {"RateLimit-Remaining", "50"},
                       {"RateLimit-Reset", "30"}}),
              "requests/minute limit=100 remaining=50 used=- reset=30000\n");
    EXPECT_EQ(told(p, {{"RateLimit-Policy", "\"burst\";q=100;w=30,\"daily\";q=5000;w=86400"},
                       {"RateLimit", "\"daily\";r=4000;t=43200"}}),
              "requests/day limit=5000 remaining=4000 used=- reset=43200000\n");
    EXPECT_EQ(told(p, {{"RateLimit-Limit", "100"},
                       {"RateLimit-Remaining", "50"},
                       {"RateLimit-Policy", "100;w=30"}}),
              "requests/30s limit=100 remaining=50 used=- reset=-\n");
    EXPECT_EQ(told(p, {{"ratelimit", ";;=,,\"x"}, {"ratelimit-policy", ";w=;q"}}), "");
}

TEST(Rates, OnlyWhatIsTheAccountsOwn) {
    const std::vector<Header> headers{{"x-ratelimit-limit-requests", "60"},
                                      {"x-ratelimit-limit-tokens", "60"},
                                      {"ratelimit-limit", "60"}};
    EXPECT_EQ(told(Provider::huggingface, headers), "");
    EXPECT_EQ(told(Provider::ollama, headers), "");
    EXPECT_EQ(told(Provider::cohere, headers), "");
    EXPECT_EQ(told(Provider::anthropic, headers), "");
}

TEST(Rates, JunkIsPassedOverValueByValue) {
    for (const char* junk : {"abc", "", " ", "NaN", "inf", "-5", "+5", "1e5", "0x10", "5 apples",
                             "1.2.3", "99999999999999999999", "9999999999999999", "12,000"}) {
        EXPECT_EQ(told(Provider::groq, {{"x-ratelimit-limit-requests", junk},
                                        {"x-ratelimit-remaining-requests", "7"}}),
                  "requests/day limit=- remaining=7 used=- reset=-\n")
            << junk;
        EXPECT_EQ(told(Provider::anthropic, {{"anthropic-ratelimit-unified-5h-utilization", junk}}),
                  "")
            << junk;
    }
    for (const char* junk : {"abc", "-5s", "5 parsecs", "99999999999999999999", "2026-13-45T0"})
        EXPECT_EQ(told(Provider::groq,
                       {{"x-ratelimit-limit-tokens", "7"}, {"x-ratelimit-reset-tokens", junk}}),
                  "tokens/minute limit=7 remaining=- used=- reset=-\n")
            << junk;
    EXPECT_EQ(told(Provider::groq, {{"x-ratelimit-", "1"},
                                    {"x-ratelimit-limit", "1"},
                                    {"x-ratelimit-limit-", "1"},
                                    {"x-ratelimit-limit-tokens-minute-minute", "1"},
                                    {"x-ratelimit-reset-tokens", "7s"},
                                    {"x-ratelimit-limit-tokensx", "1"},
                                    {std::string(300, 'x'), "1"},
                                    {"x-r", "1"}}),
              "");
    EXPECT_EQ(told(Provider::anthropic, {{"anthropic-ratelimit-unified-5h-utilization", "83"}}),
              "");
    // The first of two wins.
    EXPECT_EQ(told(Provider::groq,
                   {{"x-ratelimit-limit-tokens", "7"}, {"x-ratelimit-limit-tokens", "9"}}),
              "tokens/minute limit=7 remaining=- used=- reset=-\n");
}

TEST(Rates, AReplyWithoutQuotasCostsNothing) {
    const std::vector<Header> headers{{"date", "Sun, 22 Nov 2026 12:00:05 GMT"},
                                      {"content-type", "text/event-stream"},
                                      {"transfer-encoding", "chunked"},
                                      {"connection", "keep-alive"},
                                      {"cf-ray", "8e2f-FRA"},
                                      {"x-request-id", "req_01"},
                                      {"access-control-expose-headers", "*"},
                                      {"alt-svc", "h3=\":443\""},
                                      {"strict-transport-security", "max-age=1"},
                                      {"report-to", "x"}};
    using Clock = std::chrono::steady_clock;
    constexpr int kRounds = 20'000;
    double best = 1e9;
    for (int attempt = 0; attempt < 5; ++attempt) {
        std::size_t found = 0;
        const auto begin = Clock::now();
        for (int i = 0; i < kRounds; ++i) {
            RateReader reader(Provider::openai_compatible, kNow);
            for (const Header& header : headers) reader.header(header.name, header.value);
            found += reader.rates().capacity();
        }
        const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
        best = std::min(best, took.count() / kRounds);
        EXPECT_EQ(found, 0u);
    }
    EXPECT_LT(best, 3'000) << "ns a reply; 0.3 us is allowed, ten times that under sanitizers";
}

}  // namespace
}  // namespace llm
