// How answers of OpenAI's shape end, and what of their use is known by then.

#include "llm/dialect.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

using std::string_view;

const Upstream kTarget{.provider = base::Provider::openai_compatible, .alias = "a", .model = "m"};
const ChatRequest kAsked =
    *parse_chat(R"({"model":"x","stream":true,"messages":[{"role":"user","content":"hello"}]})",
                Endpoint::chat);

std::string choice(string_view rest, int index = 0) {
    return R"(data: {"id":"c","created":5,"model":"m","choices":[{"index":)" +
           std::to_string(index) + ',' + std::string(rest) + "}]}\n\n";
}
std::string ends(string_view reason, int index = 0) {
    return choice(R"("delta":{},"finish_reason":")" + std::string(reason) + '"', index);
}
std::string call(string_view function, string_view id = "") {
    return choice(R"("delta":{"tool_calls":[{"index":0)" + std::string(id) + R"(,"function":)" +
                  std::string(function) + "}]}");
}
constexpr string_view kDone = "data: [DONE]\n\n";

struct Streamed {
    std::string out;
    std::optional<Failure> failure;
    Usage usage;
};

Streamed streamed(const std::string& text, const ChatRequest& request = kAsked) {
    const auto decoder =
        dialect(request.endpoint, kTarget).stream(request, kTarget, base::WallTime());
    Streamed result;
    result.failure = decoder->feed(text, result.out);
    if (!result.failure) result.failure = decoder->finish(result.out);
    result.usage = decoder->usage();
    return result;
}

Answer whole(const std::string& body) {
    static const std::vector<Header> kNoHeaders;
    auto answer = dialect(Endpoint::chat, kTarget)
                      .answer(kAsked, kTarget, {200, kNoHeaders, body}, base::WallTime());
    EXPECT_TRUE(answer) << answer.error().detail;
    return *std::move(answer);
}

bool says(const std::string& text, string_view what) { return text.find(what) != text.npos; }

TEST(Ends, CallsOfToolsAreToldAsSuchWhateverTheUpstreamSays) {
    const std::string stream = call(R"({"name":"f","arguments":"{}"})", R"(,"id":"t")");
    for (string_view reason : {"stop", "eos", "tool_calls"})
        EXPECT_TRUE(says(streamed(stream + ends(reason) + std::string(kDone)).out,
                         R"("finish_reason":"tool_calls")"))
            << reason;
    EXPECT_TRUE(says(streamed(stream + ends("length")).out, R"("finish_reason":"length")"));
    const std::string body =
        R"({"id":"c","choices":[{"index":0,"finish_reason":"stop","message":{"content":null,"tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}]}}]})";
    EXPECT_TRUE(says(whole(body).body, R"("finish_reason":"tool_calls")"));
}

TEST(Ends, OnlyTheChoiceThatCalledATool) {
    const std::string text = choice(R"("delta":{"content":"hi"})", 1);
    const Streamed both =
        streamed(call(R"({"name":"f","arguments":"{}"})") + text + ends("stop", 1) + ends("stop"));
    EXPECT_TRUE(says(both.out, R"({"index":1,"delta":{},"finish_reason":"stop"})"));
    EXPECT_TRUE(says(both.out, R"({"index":0,"delta":{},"finish_reason":"tool_calls"})"));
    const std::string none =
        R"({"choices":[{"index":0,"message":{"content":"hi","tool_calls":[]},"finish_reason":"stop"}]})";
    EXPECT_TRUE(says(whole(none).body, R"("finish_reason":"stop")"));
}

TEST(Ends, OtherWordsForAnEndAreOpenAis) {
    const std::string text = choice(R"("delta":{"content":"hi"})");
    EXPECT_TRUE(says(streamed(text + ends("eos")).out, R"("finish_reason":"stop")"));
    EXPECT_TRUE(says(streamed(text + ends("model_length")).out, R"("finish_reason":"length")"));
    EXPECT_TRUE(says(streamed(text + ends("something")).out, R"("finish_reason":"something")"));
}

TEST(Ends, EveryChoiceThatBeganMustEnd) {
    const std::string two =
        choice(R"("delta":{"content":"a"})") + choice(R"("delta":{"content":"b"})", 1);
    EXPECT_FALSE(streamed(two + ends("stop") + ends("stop", 1) + std::string(kDone)).failure);
    for (const std::string& stream :
         {two + ends("stop") + std::string(kDone), two + ends("stop", 1)}) {
        const Streamed cut = streamed(stream);
        ASSERT_TRUE(cut.failure);
        EXPECT_EQ(cut.failure->outcome, Outcome::malformed);
    }
}

TEST(Ends, AStreamThatBreaksOffIsBookedByEstimate) {
    const Streamed cut = streamed(choice(R"("delta":{"content":"12345678"})"));
    ASSERT_TRUE(cut.failure);
    EXPECT_TRUE(cut.usage.estimated);
    EXPECT_EQ(cut.usage.completion, 2u);
    EXPECT_GT(cut.usage.prompt, 0u);
    const Streamed nothing = streamed(choice(R"("delta":{"role":"assistant"})"));
    ASSERT_TRUE(nothing.failure);
    EXPECT_EQ(nothing.usage.prompt, 0u);
}

TEST(Ends, ANativeResponseThatBreaksOffIsBookedByEstimate) {
    const auto request =
        parse_chat(R"({"model":"x","stream":true,"input":"hello"})", Endpoint::responses);
    const Upstream openai{.provider = base::Provider::openai, .alias = "a", .model = "m"};
    const auto decoder =
        dialect(Endpoint::responses, openai).stream(*request, openai, base::WallTime());
    std::string out;
    EXPECT_FALSE(decoder->feed(
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"12345678\"}\n\n", out));
    EXPECT_TRUE(decoder->finish(out));
    EXPECT_TRUE(decoder->usage().estimated);
    EXPECT_EQ(decoder->usage().completion, 2u);
}

TEST(Ends, AnEstimateDoesNotDependOnHowTheAnswerIsCut) {
    const std::string arguments = R"({\"city\":\"Paris\"})";
    const std::string body =
        R"({"choices":[{"index":0,"finish_reason":"tool_calls","message":{"reasoning":"because","reasoning_content":"because","content":[{"type":"text","text":"so"}],"tool_calls":[{"id":"t","type":"function","function":{"name":"weather","arguments":")" +
        arguments + R"("}}]}}]})";
    std::string pieces = call(R"({"name":"weather","arguments":""})", R"(,"id":"t")");
    for (std::size_t at = 0; at < arguments.size(); ++at) {
        const std::size_t size = arguments[at] == '\\' ? 2 : 1;
        pieces += call(R"({"arguments":")" + arguments.substr(at, size) + "\"}");
        at += size - 1;
    }
    for (char c : string_view("because"))
        pieces += choice(R"("delta":{"reasoning":")" + std::string(1, c) +
                         R"(","reasoning_content":")" + c + "\"}");
    for (char c : string_view("so"))
        pieces +=
            choice(R"("delta":{"content":[{"type":"text","text":")" + std::string(1, c) + "\"}]}");
    const Usage one = whole(body).usage;
    const Usage many = streamed(pieces + ends("tool_calls") + std::string(kDone)).usage;
    EXPECT_TRUE(one.estimated && many.estimated);
    EXPECT_EQ(one.completion, (string_view("weatherbecauseso").size() + arguments.size() + 3) / 4);
    EXPECT_EQ(many.completion, one.completion);
}

TEST(Ends, WhatCameFromACacheIsShownInOpenAisWords) {
    const std::string usage =
        R"("usage":{"prompt_tokens":9,"completion_tokens":1,"num_cached_tokens":5})";
    const std::string shown = R"("prompt_tokens_details":{"cached_tokens":5})";
    const Answer plain =
        whole(R"({"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],)" +
              usage + '}');
    EXPECT_TRUE(says(plain.body, shown));
    EXPECT_EQ(plain.usage.cached, 5u);
    ChatRequest counting = kAsked;
    counting.include_usage = true;
    const std::string text = choice(R"("delta":{"content":"hi"})") + ends("stop");
    EXPECT_TRUE(
        says(streamed(text + "data: {\"choices\":[]," + usage + "}\n\n", counting).out, shown));
    const Answer stated = whole(
        R"({"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"num_cached_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}})");
    EXPECT_FALSE(says(stated.body, shown));
}

}  // namespace
}  // namespace llm
