// What a request loses on its way into another protocol is named in the decision record.

#include "llm/dialect.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llm {
namespace {

using base::Provider;
using std::string_view;

const std::string kUser = R"("messages":[{"role":"user","content":"x"}])";

struct Sent {
    std::string body;
    std::vector<std::string> changes;
    bool has(string_view text) const { return body.find(text) != body.npos; }
    bool named(string_view change) const {
        return std::ranges::find(changes, change) != changes.end();
    }
};

Sent sent(Provider provider, Endpoint endpoint, const std::string& members,
          bool reasoning = false) {
    auto request = parse_chat("{\"model\":\"m\"," + members + '}', endpoint);
    EXPECT_TRUE(request) << members;
    const Upstream upstream{
        .provider = provider, .alias = "a", .model = "m", .reasoning = reasoning, .stated = false};
    auto call = dialect(endpoint, upstream).call(*request, upstream);
    EXPECT_TRUE(call) << call.error().detail;
    return {call->body, call->changes};
}

constexpr Provider kOthers[] = {Provider::anthropic, Provider::cohere, Provider::ollama};

TEST(LeftOut, StopTextsThatHaveNoPlace) {
    const std::string many = kUser + R"(,"stop":["a","b","c","d","e","f"])";
    const Sent cohere = sent(Provider::cohere, Endpoint::chat, many);
    EXPECT_TRUE(cohere.has(R"("stop_sequences":["a","b","c","d","e"])"));
    EXPECT_TRUE(cohere.named("removed stop after the first 5 texts"));
    const Sent claude = sent(Provider::anthropic, Endpoint::chat, kUser + R"(,"stop":["a"," \n"])");
    EXPECT_TRUE(claude.has(R"("stop_sequences":["a"])"));
    EXPECT_TRUE(claude.named("removed stop texts of white space alone"));
}

TEST(LeftOut, NumbersThatAreNone) {
    for (const Provider provider : kOthers)
        for (const string_view value : {R"("10")", "-5", "1.5", "[]"}) {
            const Sent call =
                sent(provider, Endpoint::chat,
                     kUser + R"(,"max_tokens":)" + std::string(value) + R"(,"temperature":"0.5")");
            EXPECT_TRUE(call.named("removed max_tokens")) << value;
            EXPECT_TRUE(call.named("removed temperature")) << value;
        }
}

TEST(LeftOut, ThinkingWhereNobodySaysThatTheModelCan) {
    const Sent effort =
        sent(Provider::ollama, Endpoint::chat, kUser + R"(,"reasoning_effort":"low")");
    EXPECT_TRUE(effort.named("removed reasoning_effort"));
    const Sent budget = sent(
        Provider::ollama, Endpoint::messages,
        kUser +
            R"(,"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":3000,"display":"z"})");
    EXPECT_TRUE(budget.named("removed thinking"));
    EXPECT_TRUE(budget.named("removed thinking.display"));
    EXPECT_TRUE(sent(Provider::ollama, Endpoint::chat, kUser + R"(,"reasoning_effort":"low")", true)
                    .has(R"("think":true)"));
}

std::string with_document(string_view source, string_view rest) {
    return R"("max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":)" +
           std::string(source) + ',' + std::string(rest) + "}]}]";
}

TEST(LeftOut, WhatAnthropicSaysOfDocumentsAndPictures) {
    constexpr string_view kText = R"({"type":"text","media_type":"text/plain","data":"d"})";
    constexpr string_view kPdf =
        R"({"type":"base64","media_type":"application/pdf","data":"JVBERi0="})";
    constexpr string_view kRest =
        R"("title":"t","context":"c","citations":{"enabled":true},"cache_control":{"type":"ephemeral"})";
    for (string_view source : {kText, kPdf}) {
        const Sent one = sent(Provider::openai, Endpoint::messages, with_document(source, kRest));
        for (string_view member : {"context", "citations", "cache_control"})
            EXPECT_TRUE(one.named("removed messages[].content[]." + std::string(member))) << member;
        EXPECT_EQ(one.named("removed messages[].content[].title"), source == kText);
        EXPECT_EQ(one.has(R"("filename":"t")"), source == kPdf);
    }
    EXPECT_TRUE(sent(Provider::ollama, Endpoint::messages, with_document(kText, kRest))
                    .named("removed messages[].content[].title"));
    const Sent picture = sent(
        Provider::openai, Endpoint::messages,
        R"("max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="},"cache_control":{"type":"ephemeral"}}]}])");
    EXPECT_TRUE(picture.named("removed messages[].content[].cache_control"));
}

TEST(LeftOut, MembersOfAnthropicsThatNobodyKnows) {
    for (Provider provider : {Provider::openai, Provider::cohere, Provider::ollama}) {
        const Sent one = sent(
            provider, Endpoint::messages,
            kUser +
                R"(,"max_tokens":9,"metadata":{"user_id":"u","zz":1},"output_config":{"yy":"1"})");
        EXPECT_TRUE(one.named("removed metadata.zz"));
        EXPECT_TRUE(one.named("removed output_config.yy"));
    }
}

TEST(LeftOut, MembersOfResponses) {
    const std::string input = R"("input":[{"role":"user","content":"x","zz":1},
        {"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},
        {"role":"assistant","content":[{"type":"output_text","text":"y","annotations":[{"type":"t"}]}]},
        {"type":"function_call","call_id":"c","name":"f","arguments":"{}","yy":1},
        {"type":"function_call_output","call_id":"c","output":"o","xx":1}])";
    for (Provider provider :
         {Provider::openai_compatible, Provider::anthropic, Provider::cohere, Provider::ollama}) {
        const Sent one = sent(
            provider, Endpoint::responses,
            input +
                R"(,"metadata":{"k":"v"},"reasoning":{"effort":"low","summary":"auto"},"tools":[{"type":"function","name":"f","zz":1}])");
        for (string_view member :
             {"input[].zz", "input[].yy", "input[].xx", "input[].encrypted_content",
              "input[].content[].annotations", "reasoning.summary", "tools[].zz"})
            EXPECT_TRUE(one.named("removed " + std::string(member))) << member;
        EXPECT_TRUE(one.named("removed metadata") || one.has(R"("metadata":{"k":"v"})"));
    }
    const Sent quiet = sent(
        Provider::cohere, Endpoint::responses,
        R"("input":[{"type":"message","id":"m","status":"completed","role":"assistant","content":[{"type":"output_text","text":"y","annotations":[],"logprobs":[]}]},{"role":"user","content":"x"}])");
    EXPECT_EQ(quiet.changes.size(), 1u) << quiet.changes.back();
}

TEST(LeftOut, MembersOfOllamasMessages) {
    for (Provider provider : {Provider::openai, Provider::anthropic, Provider::cohere})
        EXPECT_TRUE(sent(provider, Endpoint::ollama_chat,
                         R"("messages":[{"role":"user","content":"x","zz":1}])")
                        .named("removed messages[].zz"));
}

TEST(LeftOut, MembersOfChats) {
    const std::string messages = R"("messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":"y","audio":{"id":"a"},"annotations":[{"type":"t"}]},
        {"role":"user","content":"x"},
        {"role":"assistant","content":null,"audio":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c","name":"other","content":"r"}],
        "tools":[{"type":"function","function":{"name":"f","zz":1}}])";
    for (Provider provider : kOthers) {
        const Sent one = sent(provider, Endpoint::chat, messages);
        for (string_view member : {"messages[].audio", "messages[].annotations", "messages[].name",
                                   "tools[].function.zz"})
            EXPECT_TRUE(one.named("removed " + std::string(member))) << member;
    }
    const Sent same = sent(
        Provider::ollama, Endpoint::chat,
        R"("messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"audio":null,"annotations":[],"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","name":"f","content":"r"}])");
    EXPECT_FALSE(same.named("removed messages[].name"));
    EXPECT_FALSE(same.named("removed messages[].audio"));
    EXPECT_FALSE(same.named("removed messages[].annotations"));
}

}  // namespace
}  // namespace llm
