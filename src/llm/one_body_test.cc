// Servers that answer a stream request with one JSON body.

#include "llm/dialect.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

using base::Provider;
using std::string_view;

struct Decoded {
    std::string out;
    std::optional<Failure> failure;
    bool done = false;
    bool has(string_view text) const { return out.find(text) != out.npos; }
};

Decoded decode(Endpoint endpoint, Provider provider, string_view body) {
    const Upstream upstream{.provider = provider, .alias = "mine", .model = "claude-sonnet-4-5"};
    auto request = parse_chat(
        R"({"model":"mine","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]})",
        endpoint);
    EXPECT_TRUE(request);
    auto decoder = dialect(endpoint, upstream).stream(*request, upstream, {});
    Decoded result;
    for (std::size_t at = 0; at < body.size() && !result.failure; ++at)
        result.failure = decoder->feed(body.substr(at, 1), result.out);
    if (!result.failure) result.failure = decoder->finish(result.out);
    result.done = decoder->done();
    return result;
}

constexpr string_view kAnthropic = R"(
{
  "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
  "content": [{"type": "text", "text": "hello"},
              {"type": "tool_use", "id": "t", "name": "f", "input": {
                "a": 1}}],
  "stop_reason": "tool_use",
  "usage": {"input_tokens": 3, "output_tokens": 4}
})";
constexpr string_view kCohere = R"({
  "id": "c", "finish_reason": "COMPLETE",
  "message": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
  "usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}}
})";

TEST(OneBody, IsReadInPlaceOfAStream) {
    for (auto [provider, body] :
         {std::pair(Provider::anthropic, kAnthropic), std::pair(Provider::cohere, kCohere)}) {
        Decoded seen = decode(Endpoint::chat, provider, body);
        ASSERT_FALSE(seen.failure) << seen.failure->detail;
        EXPECT_TRUE(seen.done);
        EXPECT_TRUE(seen.has(R"("content":"hello")")) << seen.out;
        EXPECT_TRUE(seen.out.ends_with("data: [DONE]\n\n"));
    }
}

TEST(OneBody, OfTheClientsOwnProtocolBecomesItsEvents) {
    Decoded seen = decode(Endpoint::messages, Provider::anthropic, kAnthropic);
    ASSERT_FALSE(seen.failure) << seen.failure->detail;
    EXPECT_TRUE(seen.done);
    for (string_view part :
         {"event: message_start", R"("model":"mine")", "hello", "tool_use", "event: message_stop"})
        EXPECT_TRUE(seen.has(part)) << part << '\n' << seen.out;
}

TEST(OneBody, AnErrorIsTheErrorThatItSays) {
    constexpr string_view kError =
        R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})";
    for (Endpoint endpoint : {Endpoint::chat, Endpoint::messages}) {
        Decoded seen = decode(endpoint, Provider::anthropic, kError);
        ASSERT_TRUE(seen.failure);
        EXPECT_NE(seen.failure->outcome, Outcome::malformed);
        EXPECT_EQ(seen.out, "");
    }
    EXPECT_TRUE(
        decode(Endpoint::chat, Provider::cohere, R"({"message":"too many requests"})").failure);
    EXPECT_TRUE(decode(Endpoint::chat, Provider::cohere, R"({"message":)").failure);
}

}  // namespace
}  // namespace llm
