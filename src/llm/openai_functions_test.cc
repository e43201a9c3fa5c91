// Tools in OpenAI's first form on their way to targets that know only today's, and back.

#include "llm/dialect.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace llm {
namespace {

using base::Provider;

constexpr std::string_view kAsked =
    R"({{"model":"a","stream":{},"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":null,"function_call":{{"name":"f","arguments":"{{\"a\":1}}"}}}},{{"role":"function","name":"f","content":"7"}}],"functions":[{{"name":"f","parameters":{{"type":"object"}}}}],"function_call":{{"name":"f"}}}})";

const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

struct Asked {
    ChatRequest request;
    Upstream upstream;
    const Dialect* dialect;

    explicit Asked(Provider provider, bool stream = false)
        : request(*parse_chat(fmt::format(kAsked, stream), Endpoint::chat)),
          upstream{.provider = provider, .alias = "a", .model = "claude-haiku-4-5"},
          dialect(&llm::dialect(request, upstream)) {}

    std::string body() const {
        auto call = dialect->call(request, upstream);
        return call ? call->body : call.error().detail;
    }
};

TEST(Functions, AreToolsWhereOnlyThoseAreKnown) {
    for (Provider provider : {Provider::mistral, Provider::cerebras}) {
        const std::string body = Asked(provider).body();
        for (std::string_view none : {"\"function_call\"", "\"functions\"", R"("role":"function")"})
            EXPECT_EQ(body.find(none), body.npos) << body;
        for (std::string_view part :
             {R"("tools":[{"type":"function","function":{"name":"f")",
              R"("tool_choice":{"type":"function","function":{"name":"f"}})",
              R"("role":"tool","tool_call_id":")", R"("parallel_tool_calls":false)",
              R"("function":{"name":"f","arguments":"{\"a\":1}"})"})
            EXPECT_NE(body.find(part), body.npos) << part << " in " << body;
    }
    const std::string body = Asked(Provider::anthropic).body();
    EXPECT_NE(body.find(R"("tool_choice":{"type":"tool","name":"f")"), body.npos) << body;
    EXPECT_NE(body.find(R"("tool_use_id":"call_function_1","content":"7")"), body.npos) << body;
}

TEST(Functions, InAConversationThatHasGoneOnToToolsAreNotAnswers) {
    auto request = parse_chat(
        R"({"model":"a","messages":[{"role":"user","content":"x"},{"role":"assistant","function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"7"}],"tools":[{"type":"function","function":{"name":"f"}}]})",
        Endpoint::chat);
    ASSERT_TRUE(request);
    EXPECT_TRUE(request->uses_functions);
    EXPECT_FALSE(request->wants_function_call());
}

TEST(Functions, PassWhereTheyAreKnown) {
    const std::string body = Asked(Provider::openai).body();
    EXPECT_NE(body.find(R"("function_call":{"name":"f"})"), body.npos) << body;
    std::vector<std::string> allow{"functions"};
    Asked allowed(Provider::mistral);
    allowed.upstream.allow = allow;
    EXPECT_NE(dialect(allowed.request, allowed.upstream)
                  .call(allowed.request, allowed.upstream)
                  ->body.find("\"functions\""),
              std::string::npos);
}

TEST(Functions, TheAnswersFirstCallComesBackAsOne) {
    Asked asked(Provider::mistral);
    std::vector<Header> headers;
    auto answer = asked.dialect->answer(
        asked.request, asked.upstream,
        {.status = 200,
         .headers = headers,
         .body =
             R"({"id":"1","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"","tool_calls":[{"id":"abcdefghi","function":{"name":"f","arguments":"{}"}},{"id":"abcdefghj","function":{"name":"f","arguments":"{\"b\":2}"}}]},"finish_reason":"tool_calls"}]})"},
        kNow);
    ASSERT_TRUE(answer) << answer.error().detail;
    for (std::string_view part :
         {R"("content":null)", R"("function_call":{"name":"f","arguments":"{}"}})",
          R"("finish_reason":"function_call")"})
        EXPECT_NE(answer->body.find(part), std::string::npos) << part << " in " << answer->body;
    EXPECT_EQ(answer->body.find("tool_calls"), std::string::npos) << answer->body;
}

TEST(Functions, AndSoItDoesInAStream) {
    Asked asked(Provider::mistral, true);
    auto stream = asked.dialect->stream(asked.request, asked.upstream, kNow);
    std::string out;
    for (
        std::string_view delta :
        {R"({"tool_calls":[{"index":0,"id":"abcdefghi","function":{"name":"f","arguments":"{\"a\":"}}]})",
         R"({"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"id":"abcdefghj","function":{"name":"g","arguments":"{}"}}]})"})
        ASSERT_FALSE(stream->feed(
            fmt::format("data: {{\"id\":\"1\",\"choices\":[{{\"index\":0,\"delta\":{}}}]}}\n\n",
                        delta),
            out));
    ASSERT_FALSE(
        stream->feed("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},"
                     "\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
                     out));
    for (std::string_view part :
         {R"("delta":{"function_call":{"name":"f"}})",
          R"("delta":{"function_call":{"arguments":"{\"a\":"}})",
          R"("delta":{"function_call":{"arguments":"1}"}})", R"("finish_reason":"function_call")"})
        EXPECT_NE(out.find(part), out.npos) << part << " in " << out;
    EXPECT_EQ(out.find("tool_calls"), out.npos) << out;
    EXPECT_EQ(out.find("\"g\""), out.npos) << out;
}

}  // namespace
}  // namespace llm
