#include "llm/json.h"
#include "llm/responses_client.h"
#include "llm/responses_passthrough.h"
#include "llm/responses_writer.h"
#include "llm/sse.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace llm {
namespace {

base::Result<Chat> read(const std::string& members) {
    auto request = parse_chat(R"({"model":"m",)" + members + "}", Endpoint::responses);
    if (!request) return std::unexpected(request.error());
    return *canonical(*request);
}

std::string error_of(const std::string& members) {
    auto chat = read(members);
    return chat ? "no error" : chat.error().detail;
}

std::vector<std::string> types(std::string_view events) {
    std::vector<std::string> list;
    SseReader reader;
    reader.feed(events);
    SseReader::Event event;
    for (std::uint64_t number = 0; reader.next(event); ++number) {
        EXPECT_EQ(json::text(json::member(event.data, "type")), event.name);
        EXPECT_EQ(json::count(json::member(event.data, "sequence_number")), number);
        list.emplace_back(event.name);
    }
    return list;
}

TEST(ResponsesRequest, ErrorsNameTheMember) {
    EXPECT_EQ(error_of(R"("stream":false)"),
              "`input` is missing; send a string or a list of items");
    EXPECT_EQ(error_of(R"("input":7)"), "`input` must be a string or a list of items");
    EXPECT_EQ(error_of(R"("input":[])"), "`input` is empty; it needs at least one item");
    EXPECT_EQ(error_of(R"("input":["hi"])"), "`input[0]` must be an object with a `type`");
    EXPECT_EQ(error_of(R"("input":[{"role":"bot","content":"x"}])"),
              "`input[0].role` must be user, assistant, system or developer");
    EXPECT_EQ(error_of(R"("input":[{"type":"function_call","name":"f"}])"),
              "`input[0]` is a call and needs `name` and `call_id`");
    EXPECT_EQ(error_of(R"("input":[{"type":"function_call_output","output":"x"}])"),
              "`input[0].call_id` is missing; name the call that it is the result of");
    EXPECT_EQ(error_of(R"("input":[{"type":"function_call_output","call_id":"c"}])"),
              "`input[0].output` must be a string or a list of parts");
    EXPECT_EQ(error_of(R"("input":"x","instructions":[1])"), "`instructions` must be a string");
    EXPECT_EQ(error_of(R"("input":"x","max_output_tokens":"9")"),
              "`max_output_tokens` must be a whole number");
    EXPECT_EQ(error_of(R"("input":"x","tools":[{"name":"f"}])"), "`tools[0].type` is missing");
    EXPECT_TRUE(error_of(R"("input":"x","tools":[{"type":"function"}])")
                    .starts_with("`tools[0].name` is missing"));
    EXPECT_TRUE(error_of(R"("input":"x","background":true)").starts_with("`background`"));
}

TEST(ResponsesRequest, WhatOnlyItsOwnerKnowsIsLeftToItsOwner) {
    auto request =
        parse_chat(R"({"model":"m","input":[{"role":"user","content":[{"type":"input_smell"}]}]})",
                   Endpoint::responses);
    ASSERT_TRUE(request);
    ASSERT_FALSE(canonical(*request));
    EXPECT_EQ(canonical(*request).error().detail,
              "input[0].content[].input_smell: not carried to another protocol");
}

TEST(ResponsesRequest, OneTurnOfTheAssistantIsOneMessage) {
    auto chat = read(R"("instructions":"Be kind.","input":[
        {"role":"user","content":"a"},
        {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],
         "encrypted_content":"freeway-signed:s1"},
        {"type":"reasoning","summary":[],"encrypted_content":"freeway-redacted:r1"},
        {"role":"assistant","content":"b"},
        {"type":"custom_tool_call","call_id":"c1","name":"patch","input":"text"},
        {"type":"custom_tool_call_output","call_id":"c1","output":"done"},
        {"role":"user","content":"next"},
        {"role":"assistant","content":"c"},
        {"role":"assistant","content":"d"}])");
    ASSERT_TRUE(chat) << chat.error().detail;
    ASSERT_EQ(chat->messages.size(), 6u);
    const std::vector<Part>& turn = chat->messages[2].parts;
    ASSERT_EQ(turn.size(), 4u);
    EXPECT_EQ(turn[0].signature, "s1");
    EXPECT_EQ(turn[1].kind, Part::Kind::redacted_thinking);
    EXPECT_EQ(turn[1].data, "r1");
    EXPECT_EQ(turn[3].json, R"({"input":"text"})");
    EXPECT_EQ(chat->messages[3].parts[0].kind, Part::Kind::tool_result);
    EXPECT_EQ(chat->messages[3].parts[1].text, "next");
}

TEST(ResponsesRequest, ForeignThoughtsAreReadWithoutTheirSeal) {
    auto chat = read(R"("input":[{"type":"reasoning","id":"rs_0a",
        "summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAAA"}])");
    ASSERT_TRUE(chat);
    EXPECT_EQ(chat->messages[0].parts[0].text, "hm");
    EXPECT_TRUE(chat->messages[0].parts[0].signature.empty());
}

TEST(ResponsesRequest, WhatOnlyOpenAiCanDoIsNamed) {
    auto chat = read(R"("conversation":"conv_1","prompt":{"id":"p"},"truncation":"auto",
        "tool_choice":{"type":"file_search"},
        "input":[{"type":"web_search_call","id":"ws_1"},
                 {"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}])");
    ASSERT_TRUE(chat);
    EXPECT_EQ(chat->native,
              (std::vector<std::string>{"input[].web_search_call", "input[1].content[].file_id",
                                        "conversation", "prompt", "tool_choice.file_search"}));
    EXPECT_EQ(chat->left_out, std::vector<std::string>{"truncation"});
}

TEST(ResponsesRequest, OnlyAllowedToolsAreOffered) {
    auto chat = read(R"("input":"x","tools":[{"type":"function","name":"a"},
        {"type":"function","name":"b"}],"tool_choice":{"type":"allowed_tools","mode":"required",
        "tools":[{"type":"function","name":"b"}]})");
    ASSERT_TRUE(chat);
    ASSERT_EQ(chat->tools.size(), 1u);
    EXPECT_EQ(chat->tools[0].name, "b");
    EXPECT_EQ(chat->find("tool_choice")->json, "\"required\"");
}

struct Written {
    explicit Written(const std::string& members = R"("input":"x")")
        : request(*parse_chat(R"({"model":"m",)" + members + "}", Endpoint::responses)),
          writer(request, "m", base::WallTime(std::chrono::seconds(1'800'000'000))) {}
    std::string drain() {
        std::string out;
        writer.drain(out);
        return out;
    }
    ChatRequest request;
    ResponsesWriter writer;
};

TEST(ResponsesWriter, AThoughtWithASealOnlyIsAnItem) {
    Written w;
    w.writer.signature("sig");
    w.writer.redacted_thinking("dark");
    w.writer.text("hi");
    w.writer.finish("stop", {}, {});
    const std::string out = w.drain();
    EXPECT_EQ(
        types(out),
        (std::vector<std::string>{
            "response.created", "response.in_progress", "response.output_item.added",
            "response.output_item.done", "response.output_item.added", "response.output_item.done",
            "response.output_item.added", "response.content_part.added",
            "response.output_text.delta", "response.output_text.done", "response.content_part.done",
            "response.output_item.done", "response.completed"}));
    EXPECT_NE(out.find(R"("encrypted_content":"freeway-signed:sig")"), out.npos);
    EXPECT_NE(out.find(R"("encrypted_content":"freeway-redacted:dark")"), out.npos);
}

TEST(ResponsesWriter, ABrokenAnswerFailsWithWhatThereIs) {
    Written w;
    w.request.answer_id = "77";
    w.writer.text("Hel");
    w.writer.broken(R"({"error":{"message":"it broke","code":"rate_limit_exceeded"}})");
    const std::string out = w.drain();
    EXPECT_EQ(types(out).back(), "response.failed");
    const std::string_view last =
        std::string_view(out).substr(out.find("data:", out.find("event: response.failed")) + 6);
    const std::string_view response = json::member(last, "response");
    EXPECT_EQ(json::member(response, "id"), "\"resp_fw77\"");
    EXPECT_EQ(json::member(response, "status"), "\"failed\"");
    EXPECT_EQ(json::member(response, "error"),
              R"({"code":"rate_limit_exceeded","message":"it broke"})");
    EXPECT_NE(response.find(R"("status":"incomplete","content":[{"type":"output_text")"),
              response.npos);
}

TEST(ResponsesWriter, AnEndThatNobodySawIsNotNumbered) {
    Written w;
    w.writer.text("Hel");
    const std::string shown = w.drain();
    w.writer.finish("stop", {}, {});
    w.drain();  // it was found wanting
    w.writer.broken(R"({"error":{"message":"it does not fit its schema"}})");
    const std::string last = w.drain();
    const auto count = types(shown).size();
    EXPECT_NE(last.find(fmt::format(R"("sequence_number":{},)", count)), last.npos) << last;
}

TEST(ResponsesWriter, WhatTheClientSentOnManyLinesStandsOnOne) {
    Written w("\"input\":\"x\",\"tools\":[\r\n{\"type\":\n\"function\",\"name\":\"f\"}]");
    w.writer.text("a");
    const std::string out = w.drain();
    EXPECT_EQ(types(out).size(), 5u);
    EXPECT_NE(out.find(R"("parameters":null,"strict":false,)"), out.npos);
}

TEST(ResponsesWriter, PagesCitedBecomeAnnotationsOfTheText) {
    Written w;
    w.writer.text("See.");
    w.writer.extra("annotations",
                   R"([{"type":"url_citation","url_citation":{"url":"https://a.example",)"
                   R"("title":"A","start_index":0,"end_index":4}}])");
    w.writer.finish("stop", {}, {});
    const std::string out = w.drain();
    EXPECT_NE(out.find("event: response.output_text.annotation.added\n"), out.npos);
    EXPECT_NE(
        w.writer.whole().find(R"("annotations":[{"type":"url_citation","url":"https://a.example")"),
        w.writer.whole().npos);
}

TEST(ResponsesWriter, OnlyTheLastItemOfACutAnswerIsIncomplete) {
    Written w;
    w.writer.tool_call("call_1", "a");
    w.writer.arguments(0, "{}");
    w.writer.tool_call("call_2", "b");
    w.writer.arguments(1, "{\"x");
    w.writer.finish("length", {}, {});
    const std::string_view output = json::member(w.writer.whole(), "output");
    EXPECT_EQ(json::member(w.writer.whole(), "status"), "\"incomplete\"");
    json::Cursor in(output);
    ASSERT_TRUE(in.enter_array());
    ASSERT_TRUE(in.next_element());
    EXPECT_EQ(json::member(in.value(), "status"), "\"completed\"");
    ASSERT_TRUE(in.next_element());
    EXPECT_EQ(json::member(in.value(), "status"), "\"incomplete\"");
}

TEST(ResponsesPassthrough, ABrokenStreamEndsAsTheResponseThatItBegan) {
    auto request = parse_chat(R"({"model":"m","input":"x","stream":true})", Endpoint::responses);
    const Upstream upstream{.provider = base::Provider::openai, .alias = "gpt", .model = "g"};
    auto decoder = ResponsesPassthrough().stream(*request, upstream, base::WallTime());
    std::string out;
    decoder->feed(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
        "\"response\":{\"id\":\"resp_0a\",\"status\":\"in_progress\",\"error\":null,"
        "\"model\":\"g-1\"}}\n\n",
        out);
    EXPECT_FALSE(decoder->committed());
    decoder->feed(
        "data: {\"type\":\"response.refusal.delta\",\"sequence_number\":1,\"delta\":\"N\"}\n\n",
        out);
    EXPECT_TRUE(decoder->committed());
    out.clear();
    decoder->broken(R"({"error":{"message":"gone","code":null}})", out);
    EXPECT_EQ(out,
              "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":2,"
              "\"response\":{\"id\":\"resp_0a\",\"status\":\"failed\",\"error\":"
              "{\"code\":\"server_error\",\"message\":\"gone\"},\"model\":\"gpt\"}}\n\n");
}

TEST(ResponsesPassthrough, TheWholeResponseIsKnownAtTheEnd) {
    auto request = parse_chat(R"({"model":"m","input":"x","stream":true})", Endpoint::responses);
    const Upstream upstream{.provider = base::Provider::openai, .alias = "gpt", .model = "g"};
    auto decoder = ResponsesPassthrough().stream(*request, upstream, base::WallTime());
    std::string out;
    decoder->feed(
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"N\"}\n\n"
        "data: {\"type\":\"response.completed\",\"response\":{\"model\":\"g-1\","
        "\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n",
        out);
    EXPECT_TRUE(decoder->done());
    EXPECT_EQ(decoder->whole(), R"({"model":"gpt","usage":{"input_tokens":3,"output_tokens":2}})");
    EXPECT_EQ(decoder->usage().completion, 2u);
}

TEST(ResponsesClient, AnErrorBeforeContentIsAnEvent) {
    const std::string frames = ResponsesClient().error_frames(
        429, R"({"error":{"message":"slow","type":"rate_limit_error","param":null,"code":"c"}})");
    EXPECT_EQ(frames,
              "event: error\ndata: {\"type\":\"error\",\"code\":\"c\",\"message\":\"slow\","
              "\"param\":null,\"sequence_number\":0,\"error\":{\"message\":\"slow\",\"type\":"
              "\"rate_limit_error\",\"param\":null,\"code\":\"c\"}}\n\n");
}

}  // namespace
}  // namespace llm
