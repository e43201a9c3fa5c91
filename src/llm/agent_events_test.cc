#include "llm/agent_events.h"

#include "llm/agent_prompt.h"
#include "llm/openai.h"

#include <gtest/gtest.h>

#include <vector>

namespace llm {
namespace {

using Lines = std::vector<std::string_view>;

/// As Claude Code 2.1 prints a turn with one tool, ids left out.
const Lines kClaude = {
    R"({"type":"system","subtype":"init","cwd":"/w","tools":["Bash"],"model":"claude-haiku-4-5"})",
    R"({"type":"stream_event","event":{"type":"message_start","message":{"id":"msg_01"}},"parent_tool_use_id":null})",
    R"({"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Let me"}},"parent_tool_use_id":null})",
    R"({"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" look."}},"parent_tool_use_id":null})",
    R"({"type":"assistant","message":{"id":"msg_01","content":[{"type":"text","text":"Let me look."}]},"parent_tool_use_id":null})",
    R"({"type":"assistant","message":{"id":"msg_01","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls\n-l","description":"x"}}]},"parent_tool_use_id":null})",
    R"({"type":"user","message":{"role":"user","content":[{"tool_use_id":"t","type":"tool_result","content":"hello"}]},"parent_tool_use_id":null})",
    R"({"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"of a helper"}},"parent_tool_use_id":"t"})",
    R"({"type":"stream_event","event":{"type":"message_start","message":{"id":"msg_02"}},"parent_tool_use_id":null})",
    R"({"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Done."}},"parent_tool_use_id":null})",
    R"({"type":"assistant","message":{"id":"msg_02","content":[{"type":"text","text":"Done."}]},"parent_tool_use_id":null})",
    R"({"type":"result","subtype":"success","is_error":false,"api_error_status":null,"num_turns":2,"result":"Done.","usage":{"input_tokens":10,"cache_creation_input_tokens":4,"cache_read_input_tokens":8,"output_tokens":14}})",
};

/// As pi 0.74 does.
const Lines kPi = {
    R"({"type":"session","version":3,"id":"x","cwd":"/w"})",
    R"({"type":"message_start","message":{"role":"user","content":[{"type":"text","text":"hi"}]}})",
    R"({"type":"message_end","message":{"role":"user","content":[{"type":"text","text":"hi"}]}})",
    R"({"type":"message_start","message":{"role":"assistant","content":[]}})",
    R"({"type":"message_update","assistantMessageEvent":{"type":"toolcall_end","contentIndex":0}})",
    R"({"type":"message_end","message":{"role":"assistant","content":[],"usage":{"input":5,"output":7,"cacheRead":4,"cacheWrite":2},"stopReason":"toolUse"}})",
    R"({"type":"tool_execution_start","toolCallId":"t","toolName":"bash","args":{"command":"ls"}})",
    R"({"type":"message_start","message":{"role":"assistant","content":[]}})",
    R"({"type":"message_update","assistantMessageEvent":{"type":"text_delta","delta":"The","partial":{}}})",
    R"({"type":"message_update","assistantMessageEvent":{"type":"text_delta","delta":" end.","partial":{}}})",
    R"({"type":"message_end","message":{"role":"assistant","content":[],"usage":{"input":5,"output":7,"cacheRead":4,"cacheWrite":2},"stopReason":"stop"}})",
    R"({"type":"agent_end","messages":[]})",
};

std::string said(const Lines& lines, AgentEvents::Shape shape,
                 std::string_view how = "exited with status 0", std::string_view words = {}) {
    AgentEvents events(std::move(shape));
    std::string out;
    for (std::string_view line : lines) events.line(line, out);
    events.end(how, words, out);
    return out;
}

TEST(AgentEvents, ItsLastWordIsTheEnd) {
    for (const auto& [cli, lines] : {std::pair{AgentCli::claude, kClaude}, {AgentCli::pi, kPi}}) {
        const AgentEvents::Shape shape{.cli = cli, .model = "m"};
        AgentEvents events(shape);
        std::string out;
        for (const std::string_view line : lines) {
            EXPECT_FALSE(events.over()) << line;
            events.line(line, out);
        }
        EXPECT_TRUE(events.over());
        for (const std::string_view line : lines) events.line(line, out);
        events.end("", {}, out);
        EXPECT_EQ(out, said(lines, shape));
    }
}

struct Seen {
    std::string text;
    std::optional<Failure> failure;
    Usage usage;
};

/// What the reader of answers makes of it.
Seen read(const Lines& lines, AgentEvents::Shape shape, std::string_view how = "exited",
          std::string_view words = {}) {
    const ChatRequest request =
        *parse_chat(R"({"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true})",
                    Endpoint::chat);
    Upstream upstream{
        .provider = base::Provider::openai_compatible, .alias = "agent", .model = "m"};
    const std::string out = said(lines, shape, how, words);
    Seen seen;
    if (shape.stream) {
        auto decoder = OpenAiDialect().stream(request, upstream, {});
        seen.failure = decoder->feed(out, seen.text);
        if (!seen.failure) seen.failure = decoder->finish(seen.text);
        seen.usage = decoder->usage();
        return seen;
    }
    const std::vector<Header> none;
    auto answer = OpenAiDialect().answer(request, upstream, {200, none, out}, {});
    if (!answer) return {{}, answer.error(), {}};
    return {answer->body, std::nullopt, answer->usage};
}

TEST(AgentEvents, ClaudeStreamed) {
    const Seen seen = read(kClaude, {.cli = AgentCli::claude, .stream = true});
    ASSERT_FALSE(seen.failure);
    for (const char* piece : {R"("Let me")", R"(" look.")", R"("\n\nDone.")"})
        EXPECT_NE(seen.text.find(piece), std::string::npos) << piece << '\n' << seen.text;
    EXPECT_EQ(seen.text.find("helper"), std::string::npos);
    EXPECT_EQ(seen.text.find("Bash"), std::string::npos);
    EXPECT_EQ(seen.usage.prompt, 22u);
    EXPECT_EQ(seen.usage.cached, 8u);
    EXPECT_EQ(seen.usage.completion, 14u);
}

TEST(AgentEvents, ClaudeWhole) {
    const std::string out = said(kClaude, {.cli = AgentCli::claude});
    EXPECT_NE(out.find(R"("content":"Let me look.\n\nDone.")"), std::string::npos) << out;
    EXPECT_EQ(read(kClaude, {.cli = AgentCli::claude}).usage.completion, 14u);
}

TEST(AgentEvents, ToolsAreShownWhereAsked) {
    const std::string out = said(kClaude, {.cli = AgentCli::claude, .show_tools = true});
    EXPECT_NE(out.find(R"(Let me look.\n\n[Bash] ls -l\n\nDone.)"), std::string::npos) << out;
    const std::string pi = said(kPi, {.cli = AgentCli::pi, .show_tools = true});
    EXPECT_NE(pi.find(R"([bash] ls\n\nThe end.)"), std::string::npos) << pi;
}

TEST(AgentEvents, PiStreamedAndWhole) {
    const Seen seen = read(kPi, {.cli = AgentCli::pi, .stream = true});
    ASSERT_FALSE(seen.failure);
    EXPECT_NE(seen.text.find(R"(" end.")"), std::string::npos) << seen.text;
    EXPECT_EQ(seen.usage.prompt, 22u);
    EXPECT_EQ(seen.usage.completion, 14u);
    EXPECT_NE(said(kPi, {.cli = AgentCli::pi}).find(R"("content":"The end.")"), std::string::npos);
}

TEST(AgentEvents, WhatWentWrong) {
    const Lines used_up = {
        R"({"type":"assistant","message":{"content":[{"type":"text","text":"Claude AI usage limit reached|1779792000"}]},"error":"rate_limit"})",
        R"({"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"Claude AI usage limit reached|1779792000"})"};
    const Lines retries = {
        R"({"type":"system","subtype":"api_retry","attempt":1,"error_status":401,"error":"authentication_failed"})"};
    const Lines overloaded = {
        R"({"type":"result","subtype":"success","is_error":true,"api_error_status":529,"result":"Repeated 529 Overloaded errors"})"};
    const Lines pi_key = {
        R"({"type":"message_end","message":{"role":"assistant","stopReason":"error","errorMessage":"401 {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"OAuth token has expired.\"}}"}})",
        R"({"type":"agent_end","messages":[]})"};
    for (const bool stream : {false, true}) {
        const auto outcome = [stream](const Lines& lines, AgentCli cli) {
            const Seen seen = read(lines, {.cli = cli, .stream = stream}, "exited with status 1",
                                   "something bad");
            return seen.failure ? seen.failure->outcome : Outcome::served;
        };
        EXPECT_EQ(outcome(used_up, AgentCli::claude), Outcome::exhausted) << stream;
        EXPECT_EQ(outcome(retries, AgentCli::claude), Outcome::unauthorized) << stream;
        EXPECT_EQ(outcome(overloaded, AgentCli::claude), Outcome::busy) << stream;
        EXPECT_EQ(outcome(pi_key, AgentCli::pi), Outcome::unauthorized) << stream;
        const Seen nothing = read({"Segmentation fault"}, {.stream = stream},
                                  "exited with status 139", "something bad");
        ASSERT_TRUE(nothing.failure);
        EXPECT_EQ(nothing.failure->outcome, Outcome::transient);
        EXPECT_NE(
            nothing.failure->detail.find("exited with status 139 without an answer: something"),
            std::string::npos)
            << nothing.failure->detail;
    }
}

TEST(AgentPrompt, OneMessageAndMany) {
    auto one = agent_prompt(
        R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]})");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->system, "Be brief.");
    EXPECT_EQ(one->text, "hi");
    auto many = agent_prompt(
        R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]})");
    ASSERT_TRUE(many);
    EXPECT_NE(many->text.find("<user>\na\n</user>\n\n<assistant>\nb\n</assistant>"),
              std::string::npos);
    EXPECT_TRUE(many->text.ends_with("is:\n\nc"));
}

TEST(AgentPrompt, PicturesAreRefused) {
    auto prompt = agent_prompt(
        R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]})");
    ASSERT_FALSE(prompt);
    EXPECT_EQ(prompt.error().kind, base::ErrorKind::unsupported);
}

}  // namespace
}  // namespace llm
