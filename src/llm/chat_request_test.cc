#include "llm/chat_request.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

ChatRequest good(std::string body, Endpoint endpoint = Endpoint::chat) {
    base::Result<ChatRequest> request = parse_chat(std::move(body), endpoint);
    EXPECT_TRUE(request) << request.error().detail;
    return request ? *std::move(request) : ChatRequest();
}

std::string refused(std::string body, Endpoint endpoint = Endpoint::chat) {
    base::Result<ChatRequest> request = parse_chat(std::move(body), endpoint);
    EXPECT_FALSE(request);
    if (request) return {};
    EXPECT_EQ(request.error().kind, base::ErrorKind::bad_input);
    return request.error().detail;
}

TEST(ParseChat, KeepsSpansOfEveryMember) {
    ChatRequest r = good(
        "  {\"mod\\u0065l\" : \"a\\u0062c\" , \"messages\":[ "
        "{\"role\":\"user\",\"content\":\"hi\"} ],"
        "\"temperature\": 0.5 }\n");
    EXPECT_EQ(r.model, "abc");
    ASSERT_EQ(r.members.size(), 3u);
    EXPECT_EQ(r.members[0].key, "model");
    EXPECT_EQ(r.text(r.members[0].whole), "\"mod\\u0065l\" : \"a\\u0062c\"");
    EXPECT_EQ(r.text(r.members[0].value), "\"a\\u0062c\"");
    EXPECT_EQ(r.text(r.members[1].value), "[ {\"role\":\"user\",\"content\":\"hi\"} ]");
    EXPECT_EQ(r.text(r.members[2].whole), "\"temperature\": 0.5");
    EXPECT_EQ(r.prompt_bytes, r.text(r.members[1].value).size());
    EXPECT_FALSE(r.stream);
    EXPECT_FALSE(r.wants_vision);
}

TEST(ParseChat, ReadsWishes) {
    ChatRequest r =
        good(R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"stream":true,
        "stream_options":{"include_usage":true},"tools":[{"type":"function"}],"max_tokens":7,
        "response_format":{"type":"json_schema","json_schema":{}},"max_completion_tokens":9})");
    EXPECT_TRUE(r.stream && r.include_usage && r.wants_tools && r.wants_vision &&
                r.wants_json_schema);
    EXPECT_EQ(r.max_tokens, 9u);
    EXPECT_FALSE(good(R"({"model":"m","messages":[{}],"tools":[],"stream":null})").wants_tools);
}

TEST(ParseChat, AnImageCountsForWhatItCostsNotForItsEncoding) {
    std::string image(1 << 20, 'A');
    ChatRequest r =
        good(R"({"model":"m","messages":[{"role":"user","content":[{"type":"input_image","x":")" +
             image + R"("}]}]})");
    EXPECT_TRUE(r.wants_vision);
    EXPECT_LT(r.prompt_bytes, 10'000u);
}

TEST(ParseChat, ReadsCompletions) {
    ChatRequest r = good(R"({"model":"m","prompt":"once"})", Endpoint::completion);
    EXPECT_EQ(r.prompt_bytes, 6u);
    EXPECT_NE(refused(R"({"model":"m"})", Endpoint::completion).find("`prompt` is missing"),
              std::string::npos);
    EXPECT_NE(refused(R"({"model":"m","prompt":3})", Endpoint::completion).find("not a number"),
              std::string::npos);
}

struct Refusal {
    std::string body;
    std::string says;
};

TEST(ParseChat, RefusalsNameMemberTypeAndCure) {
    const std::string messages = R"("messages":[{"role":"user","content":"x"}])";
    for (const auto& [body, says] : std::vector<Refusal>{
             {"", "the body is empty"},
             {"[1]", "must be a JSON object, not an array"},
             {"nope", "must be a JSON object"},
             {"{\"model\":\"m\"", "not valid JSON: it breaks at byte 12 of 12"},
             {"{" + messages + "}", "`model` is missing"},
             {R"({"model":7,)" + messages + "}", "`model` must be a string, not a number"},
             {R"({"model":"",)" + messages + "}", "`model` is empty"},
             {R"({"model":"m"})", "`messages` is missing"},
             {R"({"model":"m","messages":[]})", "`messages` is empty"},
             {R"({"model":"m","messages":"hi"})",
              "`messages` must be an array of messages, not a string"},
             {R"({"model":"m","messages":[{},"x"]})", "`messages[1]` must be an object"},
             {R"({"model":"m",)" + messages + R"(,"stream":"yes"})",
              "`stream` must be true or false, not a string"},
             {R"({"model":"m","model":"n",)" + messages + "}", "`model` is given twice"},
             {R"({"model":"m",)" + messages + "," + messages + "}", "`messages` is given twice"},
             {R"({"model":"m",)" + messages + R"(,"stream":true,"stre\u0061m":false})",
              "`stream` is given twice"},
             {R"({"model":"m",)" + messages + "} {}", "not valid JSON"},
             {R"({"model":"m",)" + messages + ",}", "not valid JSON"},
             {"{\"model\":\"\xff\"," + messages + "}", "not valid UTF-8"},
         })
        EXPECT_NE(refused(body).find(says), std::string::npos) << body << " -> " << refused(body);
}

TEST(ParseChat, SurvivesBombsAndBigBodies) {
    EXPECT_NE(
        refused(R"({"model":"m","messages":)" + std::string(5'000'000, '[')).find("not valid JSON"),
        std::string::npos);
    EXPECT_NE(refused(R"({"model":"m","x":)" + std::string(5'000'000, '{')).find("not valid JSON"),
              std::string::npos);
    ChatRequest r = good(R"({"model":"m","messages":[{"role":"user","content":")" +
                         std::string(50'000'000, 'x') + "\"}]}");
    EXPECT_GT(r.prompt_bytes, 50'000'000u);
}

}  // namespace
}  // namespace llm
