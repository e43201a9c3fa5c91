// Files and calls on their way to a target of another protocol.

#include "llm/dialect.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace llm {
namespace {

using base::Provider;
using std::string_view;

base::Result<Call> send(Endpoint endpoint, Provider provider, string_view part) {
    auto request = parse_chat(
        fmt::format(
            R"({{"model":"a","max_tokens":9,"messages":[{{"role":"user","content":[{}]}}]}})",
            part),
        endpoint);
    if (!request) return std::unexpected(request.error());
    const Upstream upstream{.provider = provider, .alias = "a", .model = "claude-sonnet-4-5"};
    return dialect(endpoint, upstream).call(*request, upstream);
}

void expect_refused(Endpoint endpoint, Provider provider, string_view part, string_view named) {
    auto call = send(endpoint, provider, part);
    ASSERT_FALSE(call) << call->body;
    EXPECT_EQ(call.error().kind, base::ErrorKind::unsupported);
    EXPECT_NE(call.error().detail.find(named), std::string::npos) << call.error().detail;
}

TEST(Files, OfAnotherStoreReachNobody) {
    expect_refused(Endpoint::messages, Provider::openai,
                   R"({"type":"image","source":{"type":"file","file_id":"file_01"}})", "file_01");
    expect_refused(Endpoint::messages, Provider::openai,
                   R"({"type":"document","source":{"type":"file","file_id":"file_02"}})",
                   "file_02");
    expect_refused(Endpoint::chat, Provider::anthropic,
                   R"({"type":"file","file":{"file_id":"file-03"}})", "file-03");
}

TEST(Files, ByAddressReachThoseWhoFetchThem) {
    constexpr string_view kDocument =
        R"({"type":"document","source":{"type":"url","url":"https://x/y.pdf"}})";
    expect_refused(Endpoint::messages, Provider::openai, kDocument, "https://x/y.pdf");
    EXPECT_TRUE(send(Endpoint::messages, Provider::openrouter, kDocument));
    EXPECT_TRUE(send(Endpoint::messages, Provider::openai,
                     R"({"type":"image","source":{"type":"url","url":"https://x/y.png"}})"));
}

TEST(Files, InADataAddressAreBase64) {
    constexpr string_view kPlain =
        R"({"type":"image_url","image_url":{"url":"data:image/svg+xml,<svg/>"}})";
    for (Provider provider : {Provider::anthropic, Provider::cohere, Provider::ollama})
        expect_refused(Endpoint::chat, provider, kPlain, "base64");
    expect_refused(Endpoint::chat, Provider::anthropic,
                   R"({"type":"file","file":{"file_data":"data:text/plain,hello"}})", "base64");
    auto call = send(Endpoint::chat, Provider::anthropic,
                     R"({"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}})");
    ASSERT_TRUE(call) << call.error().detail;
    EXPECT_NE(call->body.find(R"("media_type":"application/pdf","data":"AAAA")"),
              std::string::npos);
}

TEST(Calls, ArgumentsThatAreAnObjectAreKept) {
    auto request = parse_chat(
        R"({"model":"a","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_call_id":"c","content":"1"}]})",
        Endpoint::chat);
    ASSERT_TRUE(request);
    const Upstream upstream{
        .provider = Provider::anthropic, .alias = "a", .model = "claude-sonnet-4-5"};
    auto call = dialect(Endpoint::chat, upstream).call(*request, upstream);
    ASSERT_TRUE(call) << call.error().detail;
    EXPECT_NE(call->body.find(R"("input":{"a":1})"), std::string::npos) << call->body;
}

}  // namespace
}  // namespace llm
