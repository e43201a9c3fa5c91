#include "llm/responses_so_far.h"

#include "llm/dialect.h"
#include "llm/json.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

using std::string_view;

std::string event(string_view type, string_view members) {
    return "data: {\"type\":\"" + std::string(type) + "\"," + std::string(members) + "}\n\n";
}

TEST(ResponsesSoFar, ANativeStreamThatBreaksEndsWithWhatItHasSaid) {
    const auto request =
        parse_chat(R"({"model":"x","stream":true,"input":"hi"})", Endpoint::responses);
    const Upstream openai{.provider = base::Provider::openai, .alias = "a", .model = "m"};
    const auto decoder =
        dialect(Endpoint::responses, openai).stream(*request, openai, base::WallTime());
    std::string out;
    const std::string stream =
        event(
            "response.created",
            R"("response":{"id":"resp_1","status":"in_progress","model":"m","error":null,"output":[]})") +
        event("response.output_item.added",
              R"("output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]})") +
        event("response.reasoning_summary_text.delta",
              R"("output_index":0,"summary_index":0,"delta":"hm")") +
        event(
            "response.output_item.done",
            R"("output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]})") +
        event(
            "response.output_item.added",
            R"("output_index":1,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]})") +
        event("response.output_text.delta",
              R"("output_index":1,"content_index":0,"delta":"Hel\"")") +
        event("response.output_text.delta", R"("output_index":1,"content_index":0,"delta":"lo")") +
        event(
            "response.output_item.added",
            R"("output_index":2,"item":{"id":"fc_1","type":"function_call","status":"in_progress","call_id":"c","name":"f","arguments":""})") +
        event("response.function_call_arguments.delta", R"("output_index":2,"delta":"{\"a\"")");
    ASSERT_FALSE(decoder->feed(stream, out));
    out.clear();
    decoder->broken(R"({"error":{"message":"gone"}})", out);
    ASSERT_TRUE(out.starts_with("event: response.failed\ndata: {")) << out;
    ASSERT_TRUE(out.ends_with("}\n\n"));
    const string_view data = string_view(out).substr(out.find('{'));
    EXPECT_EQ(
        json::member(data.substr(0, data.size() - 2), "response", "output"),
        R"([{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},)"
        R"({"id":"msg_1","type":"message","status":"incomplete","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hel\"lo"}]},)"
        R"({"id":"fc_1","type":"function_call","status":"incomplete","call_id":"c","name":"f","arguments":"{\"a\""}])");
}

TEST(ResponsesSoFar, HoldsNoMoreThanItsBound) {
    ResponsesSoFar so_far;
    so_far.take("response.output_item.added",
                R"({"output_index":0,"item":{"type":"message","content":[]}})");
    const std::string text(1u << 20, 'x');
    for (int i = 0; i < 9; ++i)
        so_far.take("response.output_text.delta",
                    R"({"output_index":0,"content_index":0,"delta":")" + text + "\"}");
    EXPECT_LE(so_far.output().size(), ResponsesSoFar::kMost + 1024);
    EXPECT_GE(so_far.output().size(), ResponsesSoFar::kMost - (1u << 21));
}

}  // namespace
}  // namespace llm
