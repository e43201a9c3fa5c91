#include "llm/anthropic_client.h"
#include "llm/anthropic_rules.h"
#include "llm/anthropic_upstream.h"
#include "llm/dialect.h"
#include "llm/format_emulation.h"
#include "llm/translate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

namespace llm {
namespace {

using base::Provider;

const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

Upstream claude(std::string_view model = "claude-sonnet-4-5") {
    return {.provider = Provider::anthropic, .alias = "a", .model = model, .reasoning = true};
}

struct Sent {
    std::string body;
    std::string changes;
    std::string error;
    bool has(std::string_view text) const { return body.find(text) != body.npos; }
    bool changed(std::string_view text) const { return changes.find(text) != changes.npos; }
};

Sent send(const Upstream& upstream, std::string body, Endpoint endpoint = Endpoint::chat) {
    auto request = parse_chat(std::move(body), endpoint);
    if (!request) return {.body = {}, .changes = {}, .error = request.error().detail};
    auto call = dialect(endpoint, upstream).call(*request, upstream);
    if (!call) return {.body = {}, .changes = {}, .error = call.error().detail};
    Sent sent{.body = call->body, .changes = {}, .error = {}};
    for (const std::string& change : call->changes) sent.changes += change + '\n';
    return sent;
}

std::string chat(std::string_view members,
                 std::string_view messages = R"({"role":"user","content":"hi"})") {
    return std::string(R"({"model":"a","messages":[)") + std::string(messages) + "]" +
           (members.empty() ? "" : ",") + std::string(members) + "}";
}

std::string asked(std::string_view members,
                  std::string_view messages = R"({"role":"user","content":"hi"})") {
    return chat(
        R"("max_tokens":100)" + std::string(members.empty() ? "" : ",") + std::string(members),
        messages);
}

const std::string kTool =
    R"("tools":[{"type":"function","function":{"name":"f","description":null,"parameters":{"properties":{}}}}])";

// Pitfall 5: a description that is null is refused.
TEST(AnthropicUpstream, ToolsHaveAnObjectForASchemaAndNoNullDescription) {
    Sent sent = send(claude(), chat(kTool));
    EXPECT_TRUE(
        sent.has(R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}])"))
        << sent.body;
    EXPECT_FALSE(sent.has("description"));
}

TEST(AnthropicUpstream, ChoicesOfToolsAreTranslated) {
    auto choice = [](std::string_view members) {
        const Sent sent = send(claude(), chat(kTool + "," + std::string(members)));
        const std::size_t at = sent.body.find("\"tool_choice\":");
        return at == sent.body.npos ? std::string()
                                    : sent.body.substr(at + 14, sent.body.find('}', at) - at - 13);
    };
    EXPECT_EQ(choice(R"("tool_choice":"auto")"), R"({"type":"auto"})");
    EXPECT_EQ(choice(R"("tool_choice":"none","parallel_tool_calls":false)"), R"({"type":"none"})");
    EXPECT_EQ(choice(R"("tool_choice":"required")"), R"({"type":"any"})");
    EXPECT_EQ(choice(R"("tool_choice":{"type":"function","function":{"name":"f"}})"),
              R"({"type":"tool","name":"f"})");
    EXPECT_EQ(choice(R"("parallel_tool_calls":false)"),
              R"({"type":"auto","disable_parallel_tool_use":true})");
    EXPECT_FALSE(send(claude(), chat(R"("tool_choice":"auto")")).has("tool_choice"));
}

TEST(AnthropicUpstream, OnlyTheAllowedToolsAreSent) {
    const std::string tools =
        R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],)";
    const Sent sent = send(
        claude(),
        chat(
            tools +
            R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}})"));
    EXPECT_TRUE(sent.has(R"("tools":[{"name":"g",)")) << sent.body;
    EXPECT_TRUE(sent.has(R"("tool_choice":{"type":"any"})")) << sent.body;
    EXPECT_TRUE(sent.changed("sent only the tools that tool_choice names"));
    const Sent named = send(
        claude(), chat(tools + R"("tool_choice":{"type":"function","function":{"name":"g"}})"));
    EXPECT_TRUE(named.has(R"("tools":[{"name":"f",)")) << named.body;
    EXPECT_TRUE(named.has(R"("tool_choice":{"type":"tool","name":"g"})")) << named.body;
}

TEST(AnthropicUpstream, TheHighestEffortsAreKeptWhereTheyAreKnown) {
    auto effort = [](std::string_view model, std::string_view wanted) {
        const Sent sent =
            send(claude(model), chat(R"("reasoning_effort":")" + std::string(wanted) + "\""));
        const std::size_t at = sent.body.find(R"("effort":")");
        return at == sent.body.npos
                   ? std::string()
                   : sent.body.substr(at + 10, sent.body.find('"', at + 10) - at - 10);
    };
    EXPECT_EQ(effort("claude-opus-4-7", "xhigh"), "xhigh");
    EXPECT_EQ(effort("claude-opus-4-7", "max"), "max");
    EXPECT_EQ(effort("claude-opus-4-6", "max"), "max");
    EXPECT_EQ(effort("claude-opus-4-6", "xhigh"), "high");
    EXPECT_EQ(effort("claude-sonnet-4-5", "max"), "");
    EXPECT_EQ(effort("glm-4.7", "max"), "");
}

TEST(AnthropicUpstream, OthersThanClaudeAreNotBoundToASchema) {
    const std::string schema =
        R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})";
    Upstream zai = claude("glm-4.7");
    EXPECT_TRUE(zai.json_schema);
    auto request = parse_chat(chat(schema), Endpoint::chat);
    auto call = AnthropicUpstream().call(*canonical(*request), *request, zai);
    ASSERT_FALSE(call);
    EXPECT_EQ(call.error().kind, base::ErrorKind::unsupported);
}

TEST(AnthropicUpstream, CallsAreNumberedThoughBlocksShareAnIndex) {
    auto request = parse_chat(chat(R"("stream":true)"), Endpoint::chat);
    const Upstream upstream = claude();
    auto reader = AnthropicUpstream().stream(*request, upstream, kNow);
    Collector collected;
    auto event = [&](std::string_view data) {
        EXPECT_FALSE(reader->feed("data: " + std::string(data) + "\n\n", collected));
    };
    for (std::string_view name : {"f", "g"}) {
        event(
            R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","input":{},"name":")" +
            std::string(name) + "\"}}");
        event(
            R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"of\":\")" +
            std::string(name) + R"(\"}"}})");
        event(R"({"type":"content_block_stop","index":0})");
    }
    ASSERT_EQ(collected.answer().parts.size(), 2u);
    EXPECT_EQ(collected.answer().parts[0].json, R"({"of":"f"})");
    EXPECT_EQ(collected.answer().parts[1].json, R"({"of":"g"})");
}

TEST(AnthropicUpstream, EffortsBecomeBudgetsAndMakeRoom) {
    EXPECT_TRUE(send(claude(), chat(R"("reasoning_effort":"low","temperature":0.3)"))
                    .has(R"("thinking":{"type":"enabled","budget_tokens":2048}})"));
    Sent high = send(claude(), chat(R"("reasoning_effort":"high","max_tokens":500,"top_p":0.5)"));
    EXPECT_TRUE(high.has(R"("max_tokens":17408)")) << high.body;
    EXPECT_TRUE(high.changed("raised max_tokens"));
    EXPECT_TRUE(high.changed("removed top_p"));
    EXPECT_FALSE(high.has("top_p"));
    Upstream small = claude();
    small.max_output_tokens = 4096;
    EXPECT_TRUE(send(small, chat(R"("reasoning_effort":"high")"))
                    .has(R"("max_tokens":4096,"messages":[{"role":"user","content":"hi"}],)"
                         R"("thinking":{"type":"enabled","budget_tokens":3072})"));
    Sent newest = send(claude("claude-opus-4-6"), chat(R"("reasoning_effort":"minimal")"));
    EXPECT_TRUE(newest.has(R"("thinking":{"type":"adaptive"})")) << newest.body;
    EXPECT_TRUE(newest.has(R"("output_config":{"effort":"low"})"));
    Upstream plain = claude();
    plain.reasoning = false;
    EXPECT_FALSE(send(plain, chat(R"("reasoning_effort":"high")")).has("thinking"));
    EXPECT_TRUE(send(plain, chat(R"("thinking":{"type":"enabled","budget_tokens":2000})"))
                    .has(R"("budget_tokens":2000)"));
}

TEST(AnthropicUpstream, AForcedToolExcludesThinking) {
    Sent sent =
        send(claude(), chat(kTool + R"(,"tool_choice":"required","reasoning_effort":"high")"));
    EXPECT_FALSE(sent.has("\"thinking\""));
    EXPECT_TRUE(sent.has(R"("tool_choice":{"type":"any"})"));
    EXPECT_TRUE(sent.changed("removed thinking: a tool is forced"));
}

// Pitfall 6: the turn before results must begin with its signed thinking, if the model thinks.
TEST(AnthropicUpstream, ThinkingNeedsTheSignatureOfTheTurnBeforeResults) {
    auto history = [](std::string_view thinking) {
        return R"({"role":"user","content":"hi"},{"role":"assistant","content":null,)" +
               std::string(thinking) +
               R"("tool_calls":[{"id":"c.1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
{"role":"tool","tool_call_id":"c.1","content":"1"})";
    };
    const std::string effort = R"("reasoning_effort":"low")";
    Sent lost = send(claude(), chat(effort, history(R"("reasoning_content":"hm",)")));
    EXPECT_FALSE(lost.has("hm")) << lost.body;
    EXPECT_FALSE(lost.has("budget_tokens"));
    EXPECT_TRUE(lost.changed("removed thinking: the last assistant's turn has no signed thinking"));
    Sent kept = send(
        claude(),
        chat(
            effort,
            history(
                R"("thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"Eq=="}],)")));
    EXPECT_TRUE(kept.has(
        R"("content":[{"type":"thinking","thinking":"hm","signature":"Eq=="},{"type":"tool_use")"))
        << kept.body;
    EXPECT_TRUE(kept.has("budget_tokens"));
    Sent foreign = send(
        claude(),
        chat(
            effort,
            history(
                R"("thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"gAAAAB"}],)")));
    EXPECT_FALSE(foreign.has("hm"));
}

TEST(AnthropicUpstream, IdsAndNamesOfToolsFit) {
    EXPECT_EQ(anthropic::tool_id("toolu_01-A"), "toolu_01-A");
    EXPECT_TRUE(
        std::regex_match(anthropic::tool_id("functions.f:0"), std::regex("[a-zA-Z0-9_-]+")));
    EXPECT_EQ(anthropic::tool_id("functions.f:0"), anthropic::tool_id("functions.f:0"));
    EXPECT_NE(anthropic::tool_id("a.b"), anthropic::tool_id("a:b"));
    EXPECT_EQ(anthropic::tool_name(std::string(200, 'x')).size(), 128u);
    Chat with;
    with.tools.push_back({.name = "mcp.server/tool"});
    EXPECT_EQ(anthropic::client_name(with, anthropic::tool_name("mcp.server/tool")),
              "mcp.server/tool");
}

TEST(AnthropicUpstream, ModelsAreKnownByTheirVersion) {
    EXPECT_EQ(anthropic::model_named("claude-sonnet-4-5-20250929").version, 405);
    EXPECT_EQ(anthropic::model_named("claude-opus-4-20250514").version, 400);
    EXPECT_EQ(anthropic::model_named("claude-3-7-sonnet-latest").version, 307);
    EXPECT_EQ(anthropic::model_named("anthropic.claude-opus-4-6-v1").version, 406);
    EXPECT_EQ(anthropic::model_named("claude-sonnet-5").version, 500);
    EXPECT_EQ(anthropic::model_named("glm-4.7").version, 0);
}

TEST(AnthropicUpstream, RefusesWhatItHasNoWordFor) {
    EXPECT_NE(
        send(
            claude(),
            chat(
                "",
                R"({"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]})"))
            .error.find("input_audio"),
        std::string::npos);
    Upstream zai = claude("glm-4.7");
    zai.json_schema = false;
    const std::string schema =
        R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})";
    EXPECT_NE(send(zai, chat(schema)).error.find("response_format"), std::string::npos);
    EXPECT_TRUE(
        send(claude(), chat(schema))
            .has(
                R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}})"));
    Sent object = send(claude(), chat(R"("response_format":{"type":"json_object"})"));
    EXPECT_TRUE(object.has("\"system\":\"Answer with one JSON object"));
}

TEST(AnthropicClient, SaysWhatIsWrong) {
    auto error = [](std::string body) {
        return send(claude(), std::move(body), Endpoint::messages).error;
    };
    EXPECT_NE(error(chat("")).find("`max_tokens` is missing"), std::string::npos);
    EXPECT_NE(error(asked("", R"({"role":"tool","content":"x"})")).find("`messages[0].role`"),
              std::string::npos);
    EXPECT_NE(error(asked("", R"({"role":"user","content":[{"type":"image","source":{}}]})"))
                  .find("`messages[0].content[0].source`"),
              std::string::npos);
    EXPECT_NE(error(asked(R"("tools":[{"name":"f"}])")).find("`tools[0].input_schema`"),
              std::string::npos);
    EXPECT_EQ(error(asked("")), "");
}

TEST(AnthropicClient, ThinkingIsKeptAndToldAsAnEffort) {
    auto parameter = [](std::string_view members, std::string_view key) {
        auto request = parse_chat(asked(members), Endpoint::messages);
        const Extra* extra = canonical(*request)->find(key);
        return extra ? extra->json : std::string();
    };
    const std::string budget = R"("thinking":{"type":"enabled","budget_tokens":10000})";
    EXPECT_EQ(parameter(budget, "reasoning_effort"), "\"high\"");
    EXPECT_EQ(parameter(budget, "thinking"), R"({"type":"enabled","budget_tokens":10000})");
    EXPECT_EQ(parameter(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"max"})",
                        "reasoning_effort"),
              "\"high\"");
    EXPECT_EQ(parameter(R"("thinking":{"type":"disabled"})", "reasoning_effort"), "");
    EXPECT_EQ(parameter(R"("metadata":{"user_id":"u"})", "user"), "\"u\"");
    EXPECT_LE(parameter(R"("metadata":{"user_id":")" + std::string(90, 'x') + "\"}", "user").size(),
              66u);
    EXPECT_EQ(parameter(R"("tool_choice":{"type":"tool","name":"f"})", "tool_choice"),
              R"({"type":"function","function":{"name":"f"}})");
}

TEST(AnthropicClient, ToolsOfAnthropicsOwnReachNobodyElse) {
    const std::string body =
        asked(R"("tools":[{"type":"web_search_20250305","name":"web_search"}])");
    EXPECT_TRUE(send(claude(), body, Endpoint::messages).has("web_search_20250305"));
    Upstream other{.provider = Provider::groq, .alias = "a", .model = "m"};
    EXPECT_NE(send(other, body, Endpoint::messages).error.find("web_search_20250305"),
              std::string::npos);
}

TEST(AnthropicClient, ErrorsHaveAnthropicsTypes) {
    const AnthropicClient client;
    const std::string error = R"({"error":{"message":"m","type":"t","param":null,"attempts":[1]}})";
    for (auto [status, type] :
         std::initializer_list<std::pair<int, std::string_view>>{{400, "invalid_request_error"},
                                                                 {401, "authentication_error"},
                                                                 {403, "permission_error"},
                                                                 {404, "not_found_error"},
                                                                 {413, "request_too_large"},
                                                                 {422, "invalid_request_error"},
                                                                 {429, "rate_limit_error"},
                                                                 {500, "api_error"},
                                                                 {502, "api_error"},
                                                                 {503, "overloaded_error"},
                                                                 {504, "timeout_error"}})
        EXPECT_EQ(client.error(status, error), R"({"type":"error","error":{"type":")" +
                                                   std::string(type) +
                                                   R"(","message":"m","attempts":[1]}})");
}

// Pitfall 21: the same protocol on both sides is passed, not translated.
TEST(AnthropicPassthrough, ChangesNothingButTheModel) {
    const std::string body =
        R"({ "model" : "a","max_tokens":10, "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],
"messages":[{"role":"user","content":"h\u0069"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"Eq=="},{"type":"text","text":"x"}]},{"role":"user","content":"y"}],"new_field":{"a":[1 ,2]}})";
    std::string expected = body;
    expected.replace(expected.find("\"a\""), 3, "\"claude-sonnet-4-5\"");
    Sent sent = send(claude(), body, Endpoint::messages);
    EXPECT_EQ(sent.body, expected);
    EXPECT_EQ(sent.changes, "");
}

TEST(AnthropicPassthrough, FitsTheTarget) {
    Upstream small = claude();
    small.max_output_tokens = 50;
    EXPECT_TRUE(send(small, asked(""), Endpoint::messages).has(R"("max_tokens":50)"));
    const std::string adaptive =
        R"({"model":"a","max_tokens":9000,"messages":[{"role":"user","content":"x"}],"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}})";
    Sent zai = send(claude("glm-4.7"), adaptive, Endpoint::messages);
    EXPECT_TRUE(zai.has(R"("thinking":{"type":"enabled","budget_tokens":2048})")) << zai.body;
    EXPECT_FALSE(zai.has("output_config"));
    EXPECT_TRUE(send(claude("claude-opus-4-6"), adaptive, Endpoint::messages).has("adaptive"));
}

TEST(AnthropicPassthrough, ThinkingOfOthersIsLeftOut) {
    const std::string body =
        R"({"model":"a","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"x"},
{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""},{"type":"tool_use","id":"c","name":"f","input":{}}]},
{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"1"}]}]})";
    Sent sent = send(claude(), body, Endpoint::messages);
    EXPECT_FALSE(sent.has("thinking")) << sent.body;
    EXPECT_TRUE(sent.has(R"("content":[{"type":"tool_use")"));
    EXPECT_TRUE(sent.changed("removed thinking: the last assistant's turn has no signed thinking"));
    EXPECT_TRUE(send(claude("glm-4.7"), body, Endpoint::messages).has("budget_tokens"));
}

TEST(AnthropicPassthrough, TheNewestThinkAsMuchAsTheyFindRight) {
    const std::string body = asked(
        R"("temperature":0.5,"top_k":3,"thinking":{"type":"enabled","budget_tokens":2000,"display":"summarized"})");
    Sent sent = send(claude("claude-opus-4-7"), body, Endpoint::messages);
    EXPECT_TRUE(sent.has(R"("thinking":{"type":"adaptive","display":"summarized"})")) << sent.body;
    EXPECT_FALSE(sent.has("temperature") || sent.has("top_k")) << sent.body;
    EXPECT_TRUE(sent.changed("removed temperature"));
    sent = send(claude("claude-opus-4-7"), asked(R"("thinking":{"type":"disabled"})"),
                Endpoint::messages);
    EXPECT_FALSE(sent.has("thinking")) << sent.body;
    EXPECT_TRUE(send(claude("claude-opus-4-6"), body, Endpoint::messages).has("temperature"));
}

TEST(AnthropicUpstream, FormatsAreEmulatedForOthersThanClaude) {
    auto request = parse_chat(
        chat(
            R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})"),
        Endpoint::chat);
    ASSERT_TRUE(request && read_format(*request, true));
    EXPECT_TRUE(emulates_format(*request, claude("glm-4.7")));
    EXPECT_FALSE(emulates_format(*request, claude()));
}

}  // namespace
}  // namespace llm
