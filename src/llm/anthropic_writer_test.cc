#include "base/units.h"
#include "llm/anthropic_client.h"

#include <gtest/gtest.h>

#include <regex>

namespace llm {
namespace {

const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

/// What is written where `tell` gives an answer.
template <class Tell>
std::string stream(Tell tell) {
    auto request = parse_chat(
        R"({"model":"a","max_tokens":100,"messages":[{"role":"user","content":"hi"}],"stream":true})",
        Endpoint::messages);
    auto writer = AnthropicClient().writer(*request, "a", kNow);
    tell(*writer);
    std::string out;
    writer->drain(out);
    return out;
}

/// Its events, without `event:` lines.
template <class Tell>
std::string written(Tell tell) {
    return std::regex_replace(stream(tell), std::regex("event: [a-z_]+\ndata: |\n\n"), "\n");
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

TEST(AnthropicWriter, ThinkingWaitsForTheEndOfACall) {
    const std::string events = written([](AnswerWriter& to) {
        to.tool_call("c1", "f");
        to.arguments(0, "{\"a\":\"}\\\"{");
        to.redacted_thinking("R");
        to.redacted_thinking("Q");
        to.thinking("hm");
        to.signature("S");
        to.arguments(0, "\"}");
        to.text("after");
        to.finish("tool_calls", "", {});
    });
    EXPECT_EQ(shape(events), R"(0+tool_use 0~ 0~{\"a\":\"}\\\"{ 0~\"} 0- 1+redacted_thinking 1- )"
                             "2+redacted_thinking 2- 3+thinking 3~hm 3~S 3- 4+text 4~after 4- ");
}

TEST(AnthropicWriter, ArgumentsInManyFragmentsAreReadOnce) {
    const std::string events = stream([](AnswerWriter& to) {
        to.tool_call("c1", "f");
        to.tool_call("c2", "g");
        to.arguments(0, "{\"a\":\"");
        for (int i = 0; i < 100'000; ++i) to.arguments(0, "12345678");
        to.arguments(0, "\"}");
        to.arguments(1, "{}");
        to.finish("tool_calls", "", {});
    });
    EXPECT_NE(events.find(R"("index":1,"delta":{"type":"input_json_delta","partial_json":"{}"})"),
              std::string::npos);
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

}  // namespace
}  // namespace llm
