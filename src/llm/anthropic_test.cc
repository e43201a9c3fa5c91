#include "llm/anthropic_client.h"
#include "llm/anthropic_rules.h"
#include "llm/dialect.h"
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
    EXPECT_EQ(parameter(budget, "reasoning_effort"), "\"medium\"");
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

/// The events of an answer that `tell` writes, without `event:` lines.
template <class Tell>
std::string written(Tell tell) {
    auto request = parse_chat(asked(R"("stream":true)"), Endpoint::messages);
    auto writer = AnthropicClient().writer(*request, "a", kNow);
    tell(*writer);
    std::string out;
    writer->drain(out);
    return std::regex_replace(out, std::regex("event: [a-z_]+\ndata: |\n\n"), "\n");
}

/// The blocks as they were opened, filled and closed: "0+tool_use 0~… 0-".
std::string shape(const std::string& events) {
    std::string out;
    const std::regex event(
        R"re("type":"content_block_(start|delta|stop)","index":(\d+)(?:,"content_block":\{"type":"(\w+)"|,"delta":\{"type":"\w+","\w+":"((?:[^"\\]|\\.)*)")?)re");
    for (auto it = std::sregex_iterator(events.begin(), events.end(), event);
         it != std::sregex_iterator(); ++it) {
        const char kind = (*it)[1] == "start" ? '+' : (*it)[1] == "stop" ? '-' : '~';
        out += (*it)[2].str() + kind + (*it)[3].str() + (*it)[4].str() + ' ';
    }
    return out;
}

// Pitfalls 2, 3 and 4: no first bytes of arguments lost, calls not mixed up, one block at a time.
TEST(AnthropicWriter, ParallelCallsComeOneAfterTheOther) {
    const std::string events = written([](AnswerWriter& to) {
        to.start("id", 0);
        to.text("T");
        to.tool_call("c1", "f");
        to.tool_call("c2", "g");
        to.arguments(1, "{\"b\":");
        to.arguments(0, "{\"a\":1");
        to.arguments(1, "2}");
        to.arguments(0, "}");
        to.finish("tool_calls", "", {});
    });
    EXPECT_EQ(shape(events),
              R"(0+text 0~T 0- 1+tool_use 1~ 1~{\"a\":1 1~} 1- 2+tool_use 2~{\"b\":2} 2- )");
    EXPECT_NE(events.find(R"("stop_reason":"tool_use")"), std::string::npos);
}

TEST(AnthropicWriter, CallsInOrderStreamAsTheyCome) {
    const std::string events = written([](AnswerWriter& to) {
        to.tool_call("c1", "f");
        to.arguments(0, "{}");
        to.tool_call("c2", "g");
        to.arguments(1, "{\"x\"");
        to.text("late");
        to.arguments(1, ":1}");
        to.finish("tool_calls", "", {});
    });
    EXPECT_EQ(shape(events),
              R"(0+tool_use 0~ 0~{} 0- 1+tool_use 1~ 1~{\"x\" 1~:1} 1- 2+text 2~late 2- )");
}

TEST(AnthropicWriter, ThinkingWithoutASignatureGetsAnEmptyOne) {
    const std::string events = written([](AnswerWriter& to) {
        to.thinking("a");
        to.text("b");
        to.finish("stop", "", {});
    });
    EXPECT_EQ(shape(events), "0+thinking 0~a 0~ 0- 1+text 1~b 1- ");
    const std::string with = written([](AnswerWriter& to) {
        to.thinking("a");
        to.signature("S");
        to.redacted_thinking("R");
        to.finish("stop", "", {});
    });
    EXPECT_EQ(shape(with), "0+thinking 0~a 0~S 0- 1+redacted_thinking 1- ");
}

TEST(AnthropicWriter, ABrokenStreamEndsWithItsErrorEvent) {
    const std::string events = written([](AnswerWriter& to) {
        to.text("a");
        to.ping();
        to.broken(
            R"({"error":{"message":"gone","type":"server_error","code":"upstream_timeout"}})");
    });
    EXPECT_NE(events.find(R"({"type":"ping"})"), std::string::npos);
    EXPECT_NE(events.find(R"({"type":"error","error":{"type":"timeout_error","message":"gone")"),
              std::string::npos)
        << events;
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

}  // namespace
}  // namespace llm
