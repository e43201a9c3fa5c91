// Smaller members of answers that were read from one protocol and are written in another.

#include "llm/anthropic_client.h"
#include "llm/anthropic_rules.h"
#include "llm/dialect.h"
#include "llm/json.h"
#include "llm/ollama_client.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

using base::Provider;
using std::string_view;

constexpr string_view kChat = R"({"model":"m","messages":[{"role":"user","content":"x"}]})";
constexpr string_view kResponses = R"({"model":"m","input":"x"})";
constexpr string_view kCited =
    R"({"id":"m","type":"message","role":"assistant","stop_reason":"end_turn","content":[{"type":"text","text":"Früh. "},{"type":"text","text":"Sunny.","citations":[{"type":"web_search_result_location","url":"https://w.example","title":"W","cited_text":"s"},{"type":"char_location","document_index":0}]}]})";

std::string answer(Provider provider, Endpoint endpoint, string_view asked, string_view body) {
    static const std::vector<Header> kNoHeaders;
    const auto request = parse_chat(std::string(asked), endpoint);
    const Upstream upstream{.provider = provider, .alias = "a", .model = "m"};
    auto answered = dialect(endpoint, upstream)
                        .answer(*request, upstream, {200, kNoHeaders, body}, base::WallTime());
    EXPECT_TRUE(answered) << answered.error().detail;
    return answered->body;
}

std::string stream(Provider provider, Endpoint endpoint, string_view asked, string_view bytes) {
    const auto request = parse_chat(std::string(asked), endpoint);
    const Upstream upstream{.provider = provider, .alias = "a", .model = "m"};
    const auto decoder = dialect(endpoint, upstream).stream(*request, upstream, base::WallTime());
    std::string out;
    EXPECT_FALSE(decoder->feed(bytes, out));
    if (!decoder->done()) EXPECT_FALSE(decoder->finish(out));
    return out;
}

bool says(const std::string& text, string_view what) { return text.find(what) != text.npos; }

TEST(AnswerDetails, ATranslatedChatHasEveryMemberThatOpenAisSchemaRequires) {
    const std::string out = answer(
        Provider::ollama, Endpoint::chat, kChat,
        R"({"message":{"role":"assistant","content":"hi"},"done":true,"done_reason":"stop"})");
    const string_view choices = json::member(out, "choices");
    const string_view choice = choices.substr(1, choices.size() - 2);
    EXPECT_EQ(json::member(choice, "logprobs"), "null");
    EXPECT_EQ(json::member(choice, "message", "refusal"), "null");
    EXPECT_EQ(json::member(choice, "message", "content"), "\"hi\"");
}

TEST(AnswerDetails, TheServiceTierThatServedIsTold) {
    const std::string whole = answer(
        Provider::groq, Endpoint::responses, kResponses,
        R"({"id":"c","service_tier":"flex","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]})");
    EXPECT_EQ(json::member(whole, "service_tier"), "\"flex\"");
    const std::string events = stream(
        Provider::groq, Endpoint::responses, R"({"model":"m","input":"x","stream":true})",
        "data: "
        "{\"service_tier\":\"flex\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    EXPECT_TRUE(
        says(events.substr(events.find("event: response.completed")), R"("service_tier":"flex")"));
    const std::string unsaid =
        answer(Provider::groq, Endpoint::responses, kResponses,
               R"({"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]})");
    EXPECT_EQ(json::member(unsaid, "service_tier"), "\"default\"");
}

TEST(AnswerDetails, PagesThatAnthropicCitesBecomeAnnotations) {
    const std::string chat = answer(Provider::anthropic, Endpoint::chat, kChat, kCited);
    EXPECT_TRUE(says(
        chat,
        R"("annotations":[{"type":"url_citation","url_citation":{"url":"https://w.example","title":"W","start_index":6,"end_index":12}}])"))
        << chat;
    const std::string response =
        answer(Provider::anthropic, Endpoint::responses, kResponses, kCited);
    EXPECT_TRUE(says(response, R"({"type":"url_citation","url":"https://w.example","title":"W")"))
        << response;
    const std::string events = stream(
        Provider::anthropic, Endpoint::responses, R"({"model":"m","input":"x","stream":true})",
        "data: "
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
        "\"text\":\"\"}}\n\n"
        "data: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"citations_delta\","
        "\"citation\":{\"type\":\"web_search_result_location\",\"url\":\"https://"
        "w.example\",\"title\":\"W\"}}}\n\n"
        "data: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
        "\"Sunny\"}}\n\n"
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
        "data: {\"type\":\"message_stop\"}\n\n");
    EXPECT_TRUE(says(events, "event: response.output_text.annotation.added"));
    EXPECT_TRUE(says(events, R"("start_index":0,"end_index":5)"));
}

TEST(AnswerDetails, AKeepAliveOfOllamasIsAWholeLine) {
    const std::string line = OllamaClient(OllamaClient::Route::chat)
                                 .comment("a", "it loads", *base::utc(2026, 11, 22, 12, 0, 5));
    EXPECT_EQ(
        line,
        R"({"model":"a","created_at":"2026-11-22T12:00:05.000000000Z","message":{"role":"assistant","content":""},"done":false})"
        "\n");
}

TEST(AnswerDetails, AnOverloadedTargetIsToldAsSuchInMidStreamToo) {
    EXPECT_TRUE(
        says(anthropic::broken_frames(
                 R"({"error":{"message":"m","type":"server_error","code":"upstream_busy"}})"),
             R"("type":"overloaded_error")"));
    EXPECT_TRUE(
        says(anthropic::broken_frames(
                 R"({"error":{"message":"m","type":"server_error","code":"upstream_error"}})"),
             R"("type":"api_error")"));
}

TEST(AnswerDetails, NewerClaudesTakeNoBeginning) {
    for (string_view id : {"claude-opus-4-6", "claude-sonnet-4-6", "anthropic/claude-opus-4.6",
                           "claude-opus-4-7-20260416"})
        EXPECT_FALSE(anthropic::model_named(id).prefill()) << id;
    for (string_view id : {"claude-haiku-4-5", "claude-sonnet-4-20250514", "glm-4.7"})
        EXPECT_TRUE(anthropic::model_named(id).prefill()) << id;
}

}  // namespace
}  // namespace llm
