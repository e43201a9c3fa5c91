#include "llm/responses_history.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

ChatRequest request(const std::string& members) {
    auto parsed = parse_chat(R"({"model":"m",)" + members + "}", Endpoint::responses);
    EXPECT_TRUE(parsed) << parsed.error().detail;
    return *std::move(parsed);
}

TEST(ResponsesHistory, AnAnswerIsPutBehindItsInputWithoutIds) {
    EXPECT_EQ(conversation(request(R"("input":"hi")"),
                           R"({"output":[{"id":"msg_1","type":"message","role":"assistant",)"
                           R"("content":[]},{"type":"function_call","id":"fc_1","call_id":"c"}]})"),
              R"({"role":"user","content":"hi"},{"type":"message","role":"assistant",)"
              R"("content":[]},{"type":"function_call","call_id":"c"})");
}

TEST(ResponsesHistory, GoesBeforeTheInput) {
    const ChatRequest next =
        request(R"("previous_response_id":"resp_1","input":[ {"role":"user","content":"b"} ])");
    EXPECT_EQ(previous_response(next), "resp_1");
    EXPECT_EQ(continued(next, R"({"role":"user","content":"a"})"),
              R"({"model":"m","input":[{"role":"user","content":"a"},)"
              R"({"role":"user","content":"b"}]})");
    EXPECT_EQ(continued(request(R"("input":"b","previous_response_id":"r")"), "{}"),
              R"({"model":"m","input":[{},{"role":"user","content":"b"}]})");
}

TEST(ResponsesHistory, StoreFalseIsNotKept) {
    EXPECT_TRUE(may_keep(request(R"("input":"x")")));
    EXPECT_TRUE(may_keep(request(R"("input":"x","store":true)")));
    EXPECT_FALSE(may_keep(request(R"("input":"x","store":false)")));
}

TEST(ResponsesHistory, WhatBeganElsewhereIsNotKept) {
    EXPECT_FALSE(may_keep(request(R"("input":"x","previous_response_id":"resp_1")")));
    EXPECT_FALSE(may_keep(request(R"("input":"x","conversation":"conv_1")")));
    EXPECT_FALSE(may_keep(request(R"("input":"x","conversation":{"id":"conv_1"})")));
    EXPECT_TRUE(
        may_keep(request(R"("input":"x","previous_response_id":null,"conversation":null)")));
    const ChatRequest next = request(R"("input":"x","previous_response_id":"resp_1")");
    const auto whole =
        parse_chat(continued(next, R"({"role":"user","content":"y"})"), Endpoint::responses);
    ASSERT_TRUE(whole);
    EXPECT_TRUE(may_keep(*whole));
}

}  // namespace
}  // namespace llm
