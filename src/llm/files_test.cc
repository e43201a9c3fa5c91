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

constexpr string_view kHello =
    R"({"type":"file","file":{"filename":"a.txt","file_data":"data:text/plain;base64,aGVsbG8="}})";

TEST(Files, OfPlainTextAreText) {
    auto sent = [](Provider provider, string_view part, Endpoint endpoint = Endpoint::chat) {
        auto call = send(endpoint, provider, part);
        return call ? call->body : call.error().detail;
    };
    EXPECT_NE(
        sent(Provider::anthropic, kHello)
            .find(
                R"("source":{"type":"text","media_type":"text/plain","data":"hello"},"title":"a.txt")"),
        std::string::npos);
    EXPECT_NE(sent(Provider::cohere, kHello).find(R"("title":"a.txt","text":"hello")"),
              std::string::npos);
    EXPECT_NE(sent(Provider::ollama, kHello).find(R"("content":"hello")"), std::string::npos);
    for (Provider provider : {Provider::groq, Provider::cerebras, Provider::mistral})
        EXPECT_NE(sent(provider, kHello).find(R"("content":[{"type":"text","text":"hello"}])"),
                  std::string::npos);
    EXPECT_NE(sent(Provider::openai, kHello).find(kHello), std::string::npos);
    for (string_view type : {"text/csv", "text/markdown; charset=utf-8", "application/json"})
        EXPECT_NE(
            sent(Provider::anthropic,
                 fmt::format(
                     R"({{"type":"file","file":{{"file_data":"data:{};base64,aGVsbG8="}}}})", type))
                .find(R"("media_type":"text/plain","data":"hello")"),
            std::string::npos)
            << type;
    EXPECT_NE(
        sent(
            Provider::ollama,
            R"({"type":"document","source":{"type":"base64","media_type":"text/plain","data":"aGVsbG8="}})",
            Endpoint::messages)
            .find(R"("content":"hello")"),
        std::string::npos);
    expect_refused(Endpoint::chat, Provider::anthropic,
                   R"({"type":"file","file":{"file_data":"data:text/plain;base64,/w=="}})",
                   "text in UTF-8");
}

TEST(Files, OfPlainTextNeedNobodyWhoReadsDocuments) {
    auto needs = [](Endpoint endpoint, std::string body) {
        auto request = parse_chat(std::move(body), endpoint);
        EXPECT_TRUE(request) << request.error().detail;
        return request && request->wants_documents;
    };
    auto chat = [&](string_view type) {
        return needs(
            Endpoint::chat,
            fmt::format(
                R"({{"model":"a","messages":[{{"role":"user","content":[{{"file":{{"file_data":"data:{};base64,aGVsbG8="}},"type":"file"}}]}}]}})",
                type));
    };
    for (string_view type : {"text/plain", "text\\/csv", "Application/JSON"})
        EXPECT_FALSE(chat(type));
    EXPECT_TRUE(chat("application/pdf"));
    EXPECT_FALSE(needs(
        Endpoint::responses,
        R"({"model":"a","input":[{"role":"user","content":[{"type":"input_file","file_data":"data:text/plain;base64,aGVsbG8="}]}]})"));
    auto request = parse_chat(
        fmt::format(R"({{"model":"a","messages":[{{"role":"user","content":[{}]}}]}})", kHello),
        Endpoint::chat);
    const Upstream no_reader{.alias = "a", .model = "m", .documents = false};
    auto call = dialect(*request, no_reader).call(*request, no_reader);
    ASSERT_TRUE(call);
    EXPECT_EQ(
        call->body,
        R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}]})");
}

TEST(Images, OfAFamiliarNameHaveTheirRegisteredOne) {
    auto call = send(Endpoint::chat, Provider::anthropic,
                     R"({"type":"image_url","image_url":{"url":"data:image/jpg;base64,AAAA"}})");
    ASSERT_TRUE(call);
    EXPECT_NE(call->body.find(R"("media_type":"image/jpeg")"), std::string::npos) << call->body;
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
