#include "llm/dialect.h"
#include "llm/openai_messages.h"
#include "llm/openai_upstream.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llm {
namespace {

using base::Provider;

struct Sent {
    std::string path;
    std::string body;
    std::vector<std::string> changes;
    std::string error;
};

Sent send(Upstream upstream, std::string body, Endpoint endpoint = Endpoint::chat) {
    base::Result<ChatRequest> request = parse_chat(std::move(body), endpoint);
    EXPECT_TRUE(request) << request.error().detail;
    base::Result<Call> call = dialect(request->endpoint, upstream).call(*request, upstream);
    if (!call) return {.path = {}, .body = {}, .changes = {}, .error = call.error().detail};
    EXPECT_TRUE(parse_chat(call->body,
                           call->path == "/completions" ? Endpoint::completion : Endpoint::chat))
        << call->body;
    return {call->path, call->body, call->changes, {}};
}

Upstream to(Provider provider, std::string_view model = "up/m") {
    return {.provider = provider, .alias = "a", .model = model};
}

const std::string kMessages = R"("messages":[{"role":"user","content":"hi"}])";

TEST(OpenAiCall, ChangesNothingButTheModel) {
    std::string body =
        "\n{ \"messages\" : [ {\"role\":\"user\",\"content\":\"h\\u0069 \\\"model\\\"\"} "
        "],\t\"model\":\"alias\" ,"
        "\"temperature\":1.0,  \"x-unknown\":{\"model\":[1 , 2]}}  ";
    std::string expected = body;
    expected.replace(expected.find("\"alias\""), 7, "\"up/m\"");
    for (Provider provider :
         {Provider::openai_compatible, Provider::openai, Provider::huggingface, Provider::groq}) {
        Sent sent = send(to(provider), body);
        EXPECT_EQ(sent.body, expected);
        EXPECT_EQ(sent.path, "/chat/completions");
        EXPECT_TRUE(sent.changes.empty());
    }
}

TEST(OpenAiCall, QuotesTheUpstreamModel) {
    EXPECT_EQ(send(to(Provider::openai, "a\"b"), R"({"model":"x",)" + kMessages + "}").body,
              R"({"model":"a\"b",)" + kMessages + "}");
}

TEST(OpenAiCall, GroqLosesWhatItRejects) {
    Sent sent = send(to(Provider::groq),
                     R"({"logprobs":true,"model":"x","top_logprobs":2,"logit_bias":{},"store":true,
"messages":[{"name":"bob","role":"user","content":"my \"name\""},{"role":"user","content":"b","name":"al"}],"metadata":{},"n":1})");
    EXPECT_EQ(sent.body, R"({"model":"up/m",
"messages":[{"role":"user","content":"my \"name\""},{"role":"user","content":"b"}]})");
    EXPECT_EQ(sent.changes,
              (std::vector<std::string>{
                  "removed logprobs", "removed top_logprobs", "removed logit_bias", "removed store",
                  "removed messages[].name", "removed metadata", "removed n"}));
    EXPECT_EQ(send(to(Provider::groq), R"({"model":"x","n":2,)" + kMessages + "}").error,
              "n: groq gives one choice only");
}

TEST(OpenAiCall, CerebrasTakesOnlyWhatItKnows) {
    Sent sent =
        send(to(Provider::cerebras),
             R"({"model":"x","service_tier":"auto","max_tokens":9,"verbosity":"low","messages":
[{"role":"assistant","content":"a","reasoning_content":"why"},{"role":"user","content":"b"}],"prompt_cache_key":"k"})");
    EXPECT_EQ(sent.body, R"({"model":"up/m","max_completion_tokens":9,"messages":
[{"role":"assistant","content":"a","reasoning":"why"},{"role":"user","content":"b"}]})");
    EXPECT_EQ(send(to(Provider::cerebras), R"({"model":"x",)" + kMessages + "}").body,
              R"({"model":"up/m",)" + kMessages + R"(,"max_completion_tokens":4096})");
    Upstream small = to(Provider::cerebras);
    small.max_output_tokens = 1000;
    EXPECT_EQ(send(small, R"({"model":"x",)" + kMessages + "}").body,
              R"({"model":"up/m",)" + kMessages + R"(,"max_completion_tokens":1000})");
    EXPECT_EQ(send(to(Provider::cerebras),
                   R"({"model":"x",)" + kMessages + R"(,"max_tokens":1,"max_completion_tokens":2})")
                  .body,
              R"({"model":"up/m",)" + kMessages + R"(,"max_completion_tokens":2})");
}

TEST(OpenAiCall, OpenRouterIsBoundedWhereItCostsMoney) {
    std::string body = R"({"model":"x",)" + kMessages + "}";
    EXPECT_EQ(send(to(Provider::openrouter, "v/m"), body).body,
              R"({"model":"v/m",)" + kMessages + R"(,"max_tokens":4096})");
    EXPECT_EQ(send(to(Provider::openrouter, "v/m:free"), body).body,
              R"({"model":"v/m:free",)" + kMessages + "}");
    EXPECT_EQ(send(to(Provider::openrouter, "v/m"),
                   R"({"max_completion_tokens":5,"model":"x",)" + kMessages + "}")
                  .body,
              R"({"max_completion_tokens":5,"model":"v/m",)" + kMessages + "}");
}

TEST(OpenAiCall, MistralGetsItsClosedSchema) {
    Sent sent = send(to(Provider::mistral),
                     R"({"model":"x","seed":1,"max_completion_tokens":2,"user":"u","stream":true,
"stream_options":{"include_usage":true},"reasoning_effort":"low","tools":[],"tool_choice":"auto","messages":[
{"role":"developer","content":"s","name":"n"},
{"role":"assistant","content":null,"refusal":null,"reasoning_content":"r","tool_calls":[{"id":"call_abc","type":"function","function":{"name":"f","arguments":"{}"}}]},
{"role":"tool","tool_call_id":"call_abc","content":"1","name":"f"},
{"role":"user","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}}],"annotations":[]}]})");
    std::string id = openai::mistral_tool_id("call_abc");
    EXPECT_EQ(id.size(), 9u);
    EXPECT_EQ(sent.body,
              R"({"model":"up/m","random_seed":1,"max_tokens":2,"stream":true,"messages":[
{"role":"system","content":"s"},
{"role":"assistant","content":null,"tool_calls":[{"id":")" +
                  id + R"(","type":"function","function":{"name":"f","arguments":"{}"}}]},
{"role":"tool","tool_call_id":")" +
                  id + R"(","content":"1","name":"f"},
{"role":"assistant","content":"OK."},{"role":"user","content":[{"type":"text","text":"t"}]}]})");
    EXPECT_EQ(openai::mistral_tool_id("AbC123xyZ"), "AbC123xyZ");
    std::string begun =
        send(to(Provider::mistral), R"({"model":"x","messages":[{"role":"user","content":"q"},)"
                                    R"({"role":"assistant","content":"One,"}]})")
            .body;
    EXPECT_NE(begun.find(R"({"prefix":true,"role":"assistant","content":"One,"})"),
              std::string::npos)
        << begun;
    Upstream thinking = to(Provider::mistral);
    thinking.reasoning = true;
    EXPECT_NE(send(thinking, R"({"model":"x","reasoning_effort":"minimal",)" + kMessages + "}")
                  .body.find(R"("reasoning_effort":"none")"),
              std::string::npos);
}

TEST(OpenAiCall, SamplingStaysWithinWhatTheTargetTakes) {
    const std::string asked = R"({"model":"x","temperature":2,"stop":["a","b", "c","d","e","f"],)";
    const std::string four = R"("stop":["a","b", "c","d"],)";
    Sent cerebras = send(to(Provider::cerebras), asked + R"("max_tokens":9,)" + kMessages + "}");
    EXPECT_NE(cerebras.body.find(R"("temperature":1.5,)" + four), std::string::npos);
    EXPECT_EQ(
        cerebras.changes,
        (std::vector<std::string>{"changed temperature from 2 to 1.5", "removed stop texts after 4",
                                  "renamed max_tokens to max_completion_tokens"}));
    for (Provider provider : {Provider::groq, Provider::openai})
        EXPECT_EQ(send(to(provider), asked + kMessages + "}").body,
                  R"({"model":"up/m","temperature":2,)" + four + kMessages + "}");
    EXPECT_NE(send(to(Provider::openai_compatible), asked + kMessages + "}").body.find("\"f\""),
              std::string::npos);
}

TEST(OpenAiCall, TheNewerOfTwoBoundsCounts) {
    const std::string both =
        R"({"model":"x","max_tokens":5,"max_completion_tokens":6,)" + kMessages + "}";
    EXPECT_EQ(send(to(Provider::mistral), both).body,
              R"({"model":"up/m","max_tokens":6,)" + kMessages + "}");
    EXPECT_EQ(send(to(Provider::cerebras), both).body,
              R"({"model":"up/m","max_completion_tokens":6,)" + kMessages + "}");
    EXPECT_EQ(send(to(Provider::mistral),
                   R"({"max_completion_tokens":null,"model":"x","max_tokens":5,)" + kMessages + "}")
                  .body,
              R"({"model":"up/m","max_tokens":5,)" + kMessages + "}");
}

TEST(OpenAiCall, EffortIsSaidInTheTargetsWords) {
    struct Row {
        Provider provider;
        std::string model;
        std::string sent, arrives;  ///< empty: removed
    };
    for (const Row& row :
         std::initializer_list<Row>{{Provider::groq, "qwen/qwen3-32b", "minimal", "none"},
                                    {Provider::groq, "qwen/qwen3-32b", "high", "default"},
                                    {Provider::groq, "qwen/qwen3-32b", "default", "default"},
                                    {Provider::groq, "openai/gpt-oss-20b", "none", "low"},
                                    {Provider::groq, "openai/gpt-oss-20b", "xhigh", "high"},
                                    {Provider::groq, "llama-3.3-70b-versatile", "high", ""},
                                    {Provider::cerebras, "gpt-oss-120b", "minimal", "low"},
                                    {Provider::cerebras, "gpt-oss-120b", "max", "high"},
                                    {Provider::cerebras, "zai-glm-4.7", "none", "none"},
                                    {Provider::cerebras, "llama3.1-8b", "low", ""},
                                    {Provider::openai, "o3", "minimal", "low"},
                                    {Provider::openai, "o3-mini", "medium", "medium"},
                                    {Provider::openai, "gpt-4o", "low", ""},
                                    {Provider::openai, "gpt-5.1", "minimal", "minimal"},
                                    {Provider::mistral, "mistral-large", "high", ""},
                                    {Provider::openai_compatible, "any", "minimal", "minimal"}}) {
        Sent sent = send(to(row.provider, row.model), R"({"model":"x","reasoning_effort":")" +
                                                          row.sent + "\"," + kMessages + "}");
        if (row.arrives.empty())
            EXPECT_EQ(sent.changes.front(), "removed reasoning_effort") << row.model;
        else
            EXPECT_NE(sent.body.find(R"("reasoning_effort":")" + row.arrives + "\""),
                      std::string::npos)
                << sent.body;
        EXPECT_EQ(sent.body.find("reasoning_effort") == std::string::npos, row.arrives.empty());
    }
}

TEST(OpenAiCall, SignedThinkingStaysWithItsProvider) {  // pitfalls 1 and 6
    Chat chat;
    chat.messages = {
        {.parts = {{.text = "hi"}}},
        {.role = Message::Role::assistant,
         .parts = {{.kind = Part::Kind::thinking, .text = "hm", .signature = "c2ln"},
                   {.kind = Part::Kind::redacted_thinking, .data = "cmVk"},
                   {.kind = Part::Kind::tool_call, .name = "f", .id = "toolu_1", .json = "{}"}}},
        {.parts = {{.kind = Part::Kind::tool_result, .id = "toolu_1", .parts = {{.text = "1"}}}}}};
    for (Provider provider : {Provider::groq, Provider::cerebras, Provider::mistral,
                              Provider::openai, Provider::openai_compatible}) {
        auto call = OpenAiUpstream().call(chat, ChatRequest(), to(provider));
        ASSERT_TRUE(call) << call.error().detail;
        EXPECT_EQ(call->body.find("c2ln"), std::string::npos) << call->body;
        EXPECT_EQ(call->body.find("cmVk"), std::string::npos) << call->body;
        const bool kept = call->body.find("\"hm\"") != std::string::npos;
        EXPECT_EQ(kept, provider == Provider::openai_compatible) << call->body;
        EXPECT_NE(std::ranges::find(call->changes, "removed messages[].thinking"),
                  call->changes.end());
    }
}

TEST(OpenAiCall, OpenRouterTakesEffortInsideReasoning) {
    EXPECT_EQ(send(to(Provider::openrouter, "v/m:free"),
                   R"({"model":"x","reasoning_effort":"high",)" + kMessages + "}")
                  .body,
              R"({"model":"v/m:free","reasoning":{"effort":"high"},)" + kMessages + "}");
    EXPECT_EQ(send(to(Provider::openrouter, "v/m:free"),
                   R"({"model":"x","reasoning":{"max_tokens":9},"reasoning_effort":"high",)" +
                       kMessages + "}")
                  .body,
              R"({"model":"v/m:free","reasoning":{"max_tokens":9},)" + kMessages + "}");
}

TEST(OpenAiCall, ThinkingInAnthropicsShapeIsAnEffort) {
    const std::string budget = R"("thinking":{"type":"enabled","budget_tokens":4000},)";
    const std::string body = R"({"model":"x",)" + budget + kMessages + "}";
    Sent sent = send(to(Provider::groq, "gpt-oss-20b"), body);
    EXPECT_EQ(sent.body,
              R"({"model":"gpt-oss-20b","reasoning_effort":"medium",)" + kMessages + "}");
    EXPECT_EQ(sent.changes,
              std::vector<std::string>{"changed thinking to reasoning_effort \"medium\""});
    EXPECT_EQ(send(to(Provider::openrouter, "m:free"), body).body,
              R"({"model":"m:free","reasoning":{"effort":"medium"},)" + kMessages + "}");
    EXPECT_EQ(send(to(Provider::groq, "llama"), body).body,
              R"({"model":"llama",)" + kMessages + "}");
    EXPECT_EQ(send(to(Provider::openai_compatible), body).body,
              R"({"model":"up/m",)" + budget + kMessages + "}");
    EXPECT_EQ(send(to(Provider::openai, "o3"),
                   R"({"model":"x","thinking":{"type":"adaptive"},)" + kMessages + "}")
                  .changes,
              std::vector<std::string>{"removed thinking"});
    EXPECT_EQ(send(to(Provider::openai, "o3"),
                   R"({"model":"x","reasoning_effort":"low",)" + budget + kMessages + "}")
                  .body,
              R"({"model":"o3","reasoning_effort":"low",)" + kMessages + "}");
}

TEST(OpenAiCall, OpenAiReasoningModelsLoseSampling) {
    EXPECT_EQ(send(to(Provider::openai, "o3-mini"),
                   R"({"model":"x","temperature":1,"stop":"a","max_tokens":4,)" + kMessages + "}")
                  .body,
              R"({"model":"o3-mini","max_completion_tokens":4,)" + kMessages + "}");
    EXPECT_EQ(
        send(to(Provider::openai, "o1"), R"({"model":"x","stop":"a",)" + kMessages + "}").body,
        R"({"model":"o1","stop":"a",)" + kMessages + "}");
}

TEST(OpenAiCall, StreamsAskForUsage) {
    const std::string ask = R"(,"stream_options":{"include_usage":true}})";
    std::string body = R"({"model":"x",)" + kMessages + R"(,"stream":true)";
    for (Provider provider :
         {Provider::groq, Provider::openai, Provider::huggingface, Provider::openai_compatible})
        EXPECT_EQ(send(to(provider), body + "}").body,
                  R"({"model":"up/m",)" + kMessages + R"(,"stream":true)" + ask);
    EXPECT_EQ(send(to(Provider::mistral), body + "}").body,
              R"({"model":"up/m",)" + kMessages + R"(,"stream":true})");
    auto with = [&](std::string options) { return body + R"(,"stream_options":)" + options + "}"; };
    auto options_of = [](const Sent& sent) {
        return sent.body.substr(sent.body.find("\"stream_options\":") + 17);
    };
    EXPECT_EQ(options_of(send(to(Provider::groq), with(R"({"include_usage":false})"))),
              R"({"include_usage":true}})");
    EXPECT_EQ(options_of(send(to(Provider::groq), with(R"({ "x":1})"))),
              R"({"include_usage":true, "x":1}})");
    EXPECT_EQ(options_of(send(to(Provider::groq), with("null"))), R"({"include_usage":true}})");
    for (std::string_view said : {R"({"include_usage":false})", "{}"})
        EXPECT_EQ(options_of(send(to(Provider::openai_compatible), with(std::string(said)))),
                  R"({"include_usage":true}})");
    Upstream agent = to(Provider::openai_compatible);
    std::vector<std::string> drop{"stream_options"};
    agent.drop = drop;
    EXPECT_EQ(send(agent, body + "}").body,
              R"({"model":"up/m",)" + kMessages + R"(,"stream":true})");
    EXPECT_EQ(send(agent, with(R"({"include_usage":true})")).body,
              R"({"model":"up/m",)" + kMessages + R"(,"stream":true})");
}

TEST(OpenAiCall, ConfigurationAddsAndDrops) {
    std::vector<Extra> defaults{{"temperature", "0.1"}, {"top_p", "0.5"}, {"max_tokens", "10"}};
    std::vector<Extra> overrides{{"seed", "7"}, {"options", R"({"a":1})"}};
    std::vector<std::string> drop{"user", "top_p"};
    Upstream upstream = to(Provider::openai);
    upstream.defaults = defaults;
    upstream.overrides = overrides;
    upstream.drop = drop;
    EXPECT_EQ(
        send(upstream, R"({"model":"x","user":"u","temperature":1,"seed":2,)" + kMessages + "}")
            .body,
        R"({"model":"up/m","temperature":1,"seed":7,)" + kMessages +
            R"(,"options":{"a":1},"max_tokens":10})");
    upstream.provider = Provider::cerebras;
    EXPECT_EQ(send(upstream, R"({"model":"x",)" + kMessages + R"(,"max_tokens":3})").body,
              R"({"model":"up/m",)" + kMessages +
                  R"(,"max_completion_tokens":3,"seed":7,"options":{"a":1},"temperature":0.1})");
}

TEST(OpenAiCall, WhatConfigurationAllowsNoRuleRemoves) {
    std::vector<std::string> allow{"logprobs", "n", "max_tokens", "tool_choice",
                                   "reasoning_effort"};
    Upstream groq = to(Provider::groq);
    groq.allow = allow;
    Sent sent = send(groq, R"({"model":"x","logprobs":true,"store":true,"n":2,)" + kMessages + "}");
    EXPECT_EQ(sent.body, R"({"model":"up/m","logprobs":true,"n":2,)" + kMessages + "}");
    EXPECT_EQ(sent.changes, std::vector<std::string>{"removed store"});
    Upstream cerebras = to(Provider::cerebras);
    cerebras.allow = allow;
    EXPECT_EQ(send(cerebras,
                   R"({"model":"x",)" + kMessages + R"(,"max_tokens":1,"max_completion_tokens":2})")
                  .body,
              R"({"model":"up/m",)" + kMessages + R"(,"max_tokens":1,"max_completion_tokens":2})");
    EXPECT_EQ(send(cerebras, R"({"model":"x","max_tokens":1,)" + kMessages + "}").body,
              R"({"model":"up/m","max_completion_tokens":1,)" + kMessages + "}")
        << "a rule may still rename it";
    Upstream mistral = to(Provider::mistral);
    mistral.allow = allow;
    const std::string body =
        R"({"model":"up/m","tool_choice":"auto","reasoning_effort":"low",)" + kMessages + "}";
    EXPECT_EQ(send(mistral, body).body, body);
    std::vector<std::string> drop{"logprobs"};
    groq.drop = drop;
    EXPECT_EQ(send(groq, R"({"model":"x","logprobs":true,)" + kMessages + "}").body,
              R"({"model":"up/m",)" + kMessages + "}")
        << "what configuration or the provider itself ruled out stays out";
}

TEST(OpenAiCall, CompletionsAreNativeOrCarriedAsAChat) {
    std::string body = R"({"model":"x","prompt":"once","max_tokens":5})";
    Sent native = send(to(Provider::openai_compatible), body, Endpoint::completion);
    EXPECT_EQ(native.path, "/completions");
    EXPECT_EQ(native.body, R"({"model":"up/m","prompt":"once","max_tokens":5})");
    EXPECT_EQ(send(to(Provider::cerebras), body, Endpoint::completion).body,
              R"({"model":"up/m","prompt":"once","max_tokens":5})");
    Sent carried =
        send(to(Provider::groq),
             R"({"model":"x","prompt":["on\"ce"],"max_tokens":5,"logprobs":1,"echo":false})",
             Endpoint::completion);
    EXPECT_EQ(carried.path, "/chat/completions");
    EXPECT_EQ(carried.body,
              R"({"model":"up/m","messages":[{"role":"user","content":"on\"ce"}],"max_tokens":5})");
    EXPECT_EQ(send(to(Provider::groq), R"({"model":"x","prompt":["a","b"]})", Endpoint::completion)
                  .error.substr(0, 7),
              "prompt:");
    EXPECT_EQ(
        send(to(Provider::groq), R"({"model":"x","prompt":"a","echo":true})", Endpoint::completion)
            .error.substr(0, 5),
        "echo:");
}

TEST(OpenAiCall, AnswersThatComeBackLoseWhatTheTargetRefuses) {
    const std::string body =
        R"({"model":"x","messages":[{"role":"assistant","content":"a","reasoning_content":"why",)"
        R"("thinking_blocks":[{"type":"thinking","thinking":"why","signature":"s"}],"citations":[],)"
        R"("annotations":[],"reasoning_details":[],"refusal":null},{"role":"user","content":"b"}]})";
    const std::vector<std::string> changes = {
        "renamed messages[].reasoning_content to reasoning", "removed messages[].thinking_blocks",
        "removed messages[].citations", "removed messages[].annotations",
        "removed messages[].reasoning_details"};
    const Sent groq = send(to(Provider::groq), body);
    EXPECT_EQ(groq.body,
              R"({"model":"up/m","messages":[{"role":"assistant","content":"a","reasoning":"why",)"
              R"("refusal":null},{"role":"user","content":"b"}]})");
    EXPECT_EQ(groq.changes, changes);
    const Sent cerebras = send(to(Provider::cerebras), body);
    EXPECT_NE(
        cerebras.body.find(
            R"("messages":[{"role":"assistant","content":"a","reasoning":"why"},{"role":"user")"),
        std::string::npos)
        << cerebras.body;
    EXPECT_NE(std::ranges::find(cerebras.changes, "removed messages[].refusal"),
              cerebras.changes.end());
    const Sent openai = send(to(Provider::openai), body);
    EXPECT_EQ(openai.changes, std::vector<std::string>{"removed messages[].thinking_blocks"});
    EXPECT_EQ(openai.body.find("thinking_blocks"), std::string::npos) << openai.body;
}

TEST(OpenAiCall, ReasoningIsNotSaidTwice) {
    for (Provider provider : {Provider::groq, Provider::cerebras}) {
        const Sent sent =
            send(to(provider), R"({"model":"x","messages":[{"role":"assistant","reasoning":"r",)"
                               R"("reasoning_content":"r","content":"a"}]})");
        EXPECT_NE(sent.body.find(R"([{"role":"assistant","reasoning":"r","content":"a"}])"),
                  std::string::npos)
            << sent.body;
        EXPECT_EQ(sent.changes.front(), "removed messages[].reasoning_content");
    }
}

}  // namespace
}  // namespace llm
