#include "llm/characters.h"

#include "llm/dialect.h"
#include "llm/json.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

using std::string_view;

std::string half(string_view escape) {
    return json::piece(std::string("\"") + std::string(escape) + '"').value();
}

TEST(Characters, HalvesOfAPairFindEachOtherInTheNextPiece) {
    Characters text;
    EXPECT_EQ(text.take(half("a\\ud83d")), "a");
    EXPECT_TRUE(text.waits());
    EXPECT_EQ(text.take(half("\\ude00b")), "\U0001F600b");
    EXPECT_FALSE(text.waits());
}

TEST(Characters, AHalfThatStaysAloneIsReplaced) {
    Characters text;
    EXPECT_EQ(text.take(half("a\\ud83d")), "a");
    EXPECT_EQ(text.take("b"), "\uFFFDb");
    EXPECT_EQ(text.take(half("\\ude00c")), "\uFFFDc");
    EXPECT_EQ(text.take(half("\\ud83d")), "");
    EXPECT_EQ(text.rest(), "\uFFFD");
    EXPECT_EQ(text.rest(), "");
}

TEST(Characters, BytesOfOneCharacterWaitForTheRestOfThem) {
    const string_view whole = "a\u00e9\u20ac\U0001F600\uD7FF!";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        Characters text;
        std::string out = text.take(whole.substr(0, cut));
        EXPECT_EQ(out, whole.substr(0, out.size()));
        out += text.take(whole.substr(cut));
        EXPECT_EQ(out, whole) << cut;
    }
}

/// A text and a call of a tool, each cut inside a character, as each provider sends them.
struct Source {
    base::Provider provider;
    string_view stream;
};
constexpr Source kSources[] = {
    {base::Provider::openai_compatible,
     R"(data: {"choices":[{"index":0,"delta":{"reasoning_content":"t\ud83d"}}]}

data: {"choices":[{"index":0,"delta":{"reasoning_content":"\ude00t"}}]}

data: {"choices":[{"index":0,"delta":{"content":"a\ud83d"}}]}

data: {"choices":[{"index":0,"delta":{"content":"\ude00b"}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"x\":\"\ud83d"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\ude00\"}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: [DONE]

)"},
    {base::Provider::anthropic,
     R"(data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a\ud83d"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00b"}}

data: {"type":"content_block_stop","index":0}

data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"c","name":"f","input":{}}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":\"\ud83d"}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\ude00\"}"}}

data: {"type":"content_block_stop","index":1}

data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}

data: {"type":"message_stop"}

)"},
    {base::Provider::cohere,
     R"(data: {"type":"message-start","id":"m"}

data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a\ud83d"}}}}

data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"\ude00b"}}}}

data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","function":{"name":"f","arguments":"{\"x\":\"\ud83d"}}}}}

data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"\ude00\"}"}}}}}

data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}

)"},
    {base::Provider::ollama, R"({"message":{"content":"a\ud83d"},"done":false}
{"message":{"content":"\ude00b"},"done":false}
{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"x":"😀"}}}]},"done":true,"done_reason":"stop"}
)"},
};

TEST(WholeCharacters, NoTranslatedStreamLosesAnEmojiThatItsChunksCut) {
    constexpr std::pair<Endpoint, string_view> kClients[] = {
        {Endpoint::chat,
         R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})"},
        {Endpoint::messages,
         R"({"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]})"},
        {Endpoint::responses, R"({"model":"m","stream":true,"input":"x"})"},
        {Endpoint::ollama_chat, R"({"model":"m","messages":[{"role":"user","content":"x"}]})"},
    };
    for (const auto& [endpoint, body] : kClients)
        for (const Source& source : kSources) {
            const auto request = parse_chat(std::string(body), endpoint);
            ASSERT_TRUE(request);
            const Upstream upstream{.provider = source.provider, .alias = "a", .model = "m"};
            const Dialect& way = dialect(endpoint, upstream);
            const auto decoder = way.stream(*request, upstream, base::WallTime());
            std::string out;
            ASSERT_FALSE(decoder->feed(source.stream, out));
            if (!decoder->done()) ASSERT_FALSE(decoder->finish(out));
            const bool passes = out.find("\\ud83d") != out.npos;
            if (passes) {
                EXPECT_NE(out.find("\\ude00b"), out.npos);
                continue;
            }
            EXPECT_EQ(out.find("\uFFFD"), out.npos) << out;
            EXPECT_NE(out.find("\U0001F600b"), out.npos) << out;
            EXPECT_NE(out.find("\U0001F600", out.rfind("\U0001F600b") + 5), out.npos) << out;
        }
}

TEST(WholeCharacters, WhatWaitsComesBeforeOtherWordsAndBeforeTheEnd) {
    Collector answer;
    WholeCharacters whole;
    whole.to(answer).thinking(half("x\\ud83d"));
    whole.text(half("y\\ud83d"));
    whole.tool_call("c", "f");
    whole.arguments(0, half("{\\ud83d"));
    whole.tool_call("d", "g");
    whole.arguments(1, "{}");
    whole.arguments(0, half("\\ude00}"));
    whole.text(half("z\\ud83d"));
    whole.finish("stop", "", Usage());
    EXPECT_EQ(answer.answer().thinking(), "x\uFFFD");
    EXPECT_EQ(answer.answer().text(), "y\uFFFDz\uFFFD");
    EXPECT_EQ(answer.answer().parts[2].json, "{\U0001F600}");
    EXPECT_EQ(answer.answer().parts[3].json, "{}");
}

}  // namespace
}  // namespace llm
