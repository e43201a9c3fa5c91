// The cached tokens that each dialect states, in whole answers and in streams.

#include "llm/dialect.h"
#include "llm/usage_json.h"

#include <gtest/gtest.h>

#include <string>

namespace llm {
namespace {

using base::Provider;

const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

Usage whole(Provider provider, std::string_view body) {
    auto request =
        parse_chat(R"({"model":"a","messages":[{"role":"user","content":"x"}]})", Endpoint::chat);
    const Upstream upstream{.provider = provider, .alias = "a", .model = "m"};
    const std::vector<Header> headers;
    auto answer =
        dialect(request->endpoint, upstream)
            .answer(*request, upstream, {.status = 200, .headers = headers, .body = body}, kNow);
    EXPECT_TRUE(answer) << body;
    return answer ? answer->usage : Usage{};
}

Usage streamed(Provider provider, std::string_view events) {
    auto request =
        parse_chat(R"({"model":"a","stream":true,"messages":[{"role":"user","content":"x"}]})",
                   Endpoint::chat);
    const Upstream upstream{.provider = provider, .alias = "a", .model = "m"};
    auto decoder = dialect(request->endpoint, upstream).stream(*request, upstream, kNow);
    std::string out;
    EXPECT_FALSE(decoder->feed(events, out)) << events;
    EXPECT_FALSE(decoder->finish(out)) << events;
    return decoder->usage();
}

std::string chat(std::string_view usage) {
    return R"({"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":)" +
           std::string(usage) + "}";
}

std::string chunks(std::string_view last_members) {
    return R"(data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]})"
           "\n\n"
           R"(data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],)" +
           std::string(last_members) + "}\n\ndata: [DONE]\n\n";
}

constexpr const char* kDetails =
    R"({"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":6}})";
constexpr const char* kMistral =
    R"({"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"num_cached_tokens":2})";

TEST(UsageCached, OpenAiDetails) {
    for (Provider p : {Provider::openai, Provider::groq, Provider::cerebras, Provider::openrouter,
                       Provider::huggingface, Provider::openai_compatible}) {
        EXPECT_EQ(whole(p, chat(kDetails)).cached, 6u) << base::name(p);
        EXPECT_EQ(streamed(p, chunks(std::string(R"("usage":)") + kDetails)).cached, 6u)
            << base::name(p);
    }
}

TEST(UsageCached, GroqsOwnMember) {
    const std::string last = std::string(R"("x_groq":{"id":"req_1","usage":)") + kDetails + "}";
    EXPECT_EQ(streamed(Provider::groq, chunks(last)).cached, 6u);
}

TEST(UsageCached, MistralNumber) {
    EXPECT_EQ(whole(Provider::mistral, chat(kMistral)).cached, 2u);
    EXPECT_EQ(streamed(Provider::mistral, chunks(std::string(R"("usage":)") + kMistral)).cached,
              2u);
}

TEST(UsageCached, OpenRouterSaysWhatItWrote) {
    const Usage usage = read_usage(
        R"({"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":4}})");
    EXPECT_EQ(usage.cached, 2u);
    EXPECT_EQ(usage.cache_written, 4u);
}

TEST(UsageCached, NoMemberErasesTheOther) {
    EXPECT_EQ(
        read_usage(
            R"({"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":5},"num_cached_tokens":null})")
            .cached,
        5u);
    EXPECT_EQ(
        read_usage(R"({"prompt_tokens":9,"num_cached_tokens":5,"prompt_tokens_details":null})")
            .cached,
        5u);
}

TEST(UsageCached, AnthropicReadsBesideTheInput) {
    const Usage usage = whole(
        Provider::anthropic,
        R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":9}})");
    EXPECT_EQ(usage.prompt, 20u);
    EXPECT_EQ(usage.cached, 5u);
    EXPECT_EQ(usage.cache_written, 3u);
    const Usage stream = streamed(
        Provider::anthropic,
        "event: message_start\n"
        R"(data: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":1}}})"
        "\n\nevent: content_block_delta\n"
        R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}})"
        "\n\nevent: message_delta\n"
        R"(data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}})"
        "\n\nevent: message_stop\n"
        R"(data: {"type":"message_stop"})"
        "\n\n");
    EXPECT_EQ(stream.prompt, 20u);
    EXPECT_EQ(stream.cached, 5u);
    EXPECT_EQ(stream.cache_written, 3u);
    EXPECT_EQ(stream.completion, 9u);
}

TEST(UsageCached, Cohere) {
    EXPECT_EQ(
        whole(
            Provider::cohere,
            R"({"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"usage":{"tokens":{"input_tokens":60,"output_tokens":9},"cached_tokens":16}})")
            .cached,
        16u);
    EXPECT_EQ(
        streamed(
            Provider::cohere,
            "event: content-delta\n"
            R"(data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}})"
            "\n\nevent: message-end\n"
            R"(data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":60,"output_tokens":9},"cached_tokens":16}}})"
            "\n\n")
            .cached,
        16u);
}

}  // namespace
}  // namespace llm
