#include "llm/cohere.h"

#include "llm/json.h"
#include "llm/tool_choice.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

const Upstream kTarget{
    .provider = base::Provider::cohere, .alias = "c", .model = "command-a", .reasoning = true};

Call called(const Chat& chat) {
    auto call = CohereUpstream().call(chat, ChatRequest(), kTarget);
    EXPECT_TRUE(call) << call.error().detail;
    return call ? *call : Call{};
}

TEST(Cohere, DocumentsStandBesideTheMessages) {
    Chat chat;
    chat.messages.push_back(
        {.parts = {{.text = "Who?"},
                   {.kind = Part::Kind::document, .text = "Ada wrote it.", .name = "notes"}}});
    const std::string body = called(chat).body;
    EXPECT_EQ(json::member(body, "documents"),
              R"([{"data":{"title":"notes","text":"Ada wrote it."}}])");
    EXPECT_EQ(json::member(body, "messages"), R"([{"role":"user","content":"Who?"}])");
}

TEST(Cohere, ADocumentInAToolsResultIsABlock) {
    Chat chat;
    chat.messages.push_back(
        {.parts = {{.kind = Part::Kind::tool_result,
                    .id = "call_1",
                    .parts = {{.text = "Found:"},
                              {.kind = Part::Kind::document, .text = "Ada wrote it."}}}}});
    EXPECT_EQ(
        json::member(called(chat).body, "messages"),
        R"([{"role":"tool","tool_call_id":"call_1","content":[{"type":"text","text":"Found:"},{"type":"document","document":{"data":{"text":"Ada wrote it."}}}]}])");
}

TEST(Cohere, AFailedToolIsToldInWords) {
    Chat chat;
    chat.messages.push_back({.parts = {{.kind = Part::Kind::tool_result,
                                        .id = "call_1",
                                        .error = true,
                                        .parts = {{.text = "no such city"}}}}});
    EXPECT_EQ(json::member(called(chat).body, "messages"),
              R"([{"role":"tool","tool_call_id":"call_1","content":"Error: no such city"}])");
}

TEST(Cohere, IsWhatACarriedOnStreamSpeaks) {
    Chat chat;
    chat.messages.push_back({.parts = {{.text = "Hi"}}});
    for (auto [protocol, path] :
         {std::pair(Protocol::cohere, "/v2/chat"), std::pair(Protocol::ollama, "/api/chat")}) {
        auto call = upstream_dialect(protocol).call(chat, ChatRequest(), kTarget);
        ASSERT_TRUE(call);
        EXPECT_EQ(call->path, path);
    }
}

TEST(Cohere, WhatItCannotTakeMovesOn) {
    for (Part::Kind kind : {Part::Kind::audio, Part::Kind::document}) {
        Chat chat;
        chat.messages.push_back({.parts = {{.kind = kind, .data = "AAAA"}}});
        auto call = CohereUpstream().call(chat, ChatRequest(), kTarget);
        ASSERT_FALSE(call);
        EXPECT_EQ(call.error().kind, base::ErrorKind::unsupported);
    }
}

TEST(CohereToolNames, AreMadeToFitAndMappedBack) {
    Chat chat;
    for (const char* name : {"get-weather", "get.weather", "get_weather", "9lives", "ok"})
        chat.tools.push_back({.name = name});
    const cohere::ToolNames names(chat);
    for (const Tool& tool : chat.tools) {
        const std::string sent = names.sent(tool.name);
        EXPECT_EQ(sent.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"), sent.npos);
        EXPECT_FALSE(sent.front() >= '0' && sent.front() <= '9') << sent;
        EXPECT_EQ(names.clients(sent), tool.name) << sent;
    }
    EXPECT_EQ(names.sent("ok"), "ok");
    EXPECT_EQ(names.sent("of-before"), "of_before");
    EXPECT_EQ(names.clients("made_up"), "made_up");
}

TEST(ToolChoice, NarrowsTheToolsToThoseThatMayBeCalled) {
    Chat chat;
    for (const char* name : {"a", "b", "c"}) chat.tools.push_back({.name = name});
    using Calls = ToolChoice::Calls;
    struct Expected {
        std::string_view choice;
        Calls calls;
        std::size_t tools;
    };
    for (const Expected& e :
         {Expected{"", Calls::free, 3}, Expected{"\"auto\"", Calls::free, 3},
          Expected{"\"none\"", Calls::none, 3}, Expected{"\"required\"", Calls::required, 3},
          Expected{R"({"type":"function","function":{"name":"b"}})", Calls::required, 1},
          Expected{R"({"type":"function","name":"b"})", Calls::required, 1},
          Expected{R"({"type":"allowed_tools","allowed_tools":{"mode":"auto",)"
                   R"("tools":[{"type":"function","function":{"name":"a"}},)"
                   R"({"type":"function","function":{"name":"c"}}]}})",
                   Calls::free, 2}}) {
        auto read = read_tool_choice(chat, e.choice);
        ASSERT_TRUE(read) << e.choice;
        EXPECT_EQ(read->calls, e.calls) << e.choice;
        EXPECT_EQ(read->tools.size(), e.tools) << e.choice;
    }
    for (std::string_view wrong : {"\"any\"", R"({"type":"function","function":{"name":"z"}})"}) {
        auto read = read_tool_choice(chat, wrong);
        ASSERT_FALSE(read) << wrong;
        EXPECT_EQ(read.error().kind, base::ErrorKind::bad_input);
    }
}

TEST(ToolChoice, ToolsOfAProviderAreOnlyForIt) {
    Chat chat;
    chat.tools.push_back({.name = "web_search", .native = R"({"type":"web_search"})"});
    auto read = read_tool_choice(chat, {});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, base::ErrorKind::unsupported);
}

TEST(CohereToolNames, ManyOfOneNameShareIt) {
    Chat chat;
    for (int i = 0; i < 20'000; ++i) chat.tools.push_back({.name = "get-it"});
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        std::string name(15, '-');
        for (std::size_t bit = 0; bit < name.size(); ++bit)
            if (i >> bit & 1) name[bit] = '.';
        chat.tools.push_back({.name = name});
    }
    const cohere::ToolNames names(chat);
    EXPECT_EQ(names.sent("get-it"), "get_it");
    EXPECT_EQ(names.clients("get_it"), "get-it");
    EXPECT_EQ(names.clients(names.sent(chat.tools.back().name)), chat.tools.back().name);
}

}  // namespace
}  // namespace llm
