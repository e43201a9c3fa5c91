#include "llm/chat_request.h"
#include "llm/dialect.h"
#include "llm/fields.h"
#include "llm/images.h"
#include "llm/parameters.h"
#include "llm/request_body.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

/// What a client sends in great number costs no more than its length.
namespace llm {
namespace {

std::string members(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += fmt::format(R"({}"x{}":1)", i ? "," : "", i);
    return out;
}

const std::string kMessages = R"("messages":[{"role":"user","content":"x"}])";

template <class Result>
void expect_refused(const Result& result, std::string_view what) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, base::ErrorKind::bad_input);
    EXPECT_NE(result.error().detail.find(what), std::string::npos) << result.error().detail;
}

TEST(Limits, ABodyHasNoMoreThanAThousandMembers) {
    const std::string_view what = "the body has more than 1000 members";
    for (Endpoint endpoint : {Endpoint::chat, Endpoint::completion, Endpoint::responses,
                              Endpoint::messages, Endpoint::ollama_chat, Endpoint::ollama_generate})
        expect_refused(parse_chat('{' + members(1001) + '}', endpoint), what);
    expect_refused(read_request_body('{' + members(1001) + '}', "`model`"), what);
    expect_refused(parse_images('{' + members(1001) + '}'), what);
    EXPECT_TRUE(
        parse_chat(R"({"model":"m",)" + kMessages + ',' + members(998) + '}', Endpoint::chat));
}

TEST(Limits, SoHaveOptionsButNotWhatIsPassedOn) {
    auto parsed = [](std::string_view key, Endpoint endpoint) {
        return parse_chat(
            fmt::format(R"({{"model":"m",{},"{}":{{{}}}}})", kMessages, key, members(1001)),
            endpoint);
    };
    expect_refused(parsed("options", Endpoint::ollama_chat),
                   "`options` has more than 1000 members");
    EXPECT_TRUE(parsed("logit_bias", Endpoint::chat));
}

TEST(Limits, ChangesAreListedUpToABound) {
    std::vector<std::string> changes;
    for (int i = 0; i < 1000; ++i) note(changes, fmt::format("removed x{}", i));
    ASSERT_EQ(changes.size(), kMostChanges + 1);
    EXPECT_EQ(changes.back(), "and more");
    const std::string body = fmt::format(
        R"({{"model":"m","messages":[{{"role":"user","content":"x",{}}}]}})", members(100'000));
    for (base::Provider provider : {base::Provider::mistral, base::Provider::cerebras,
                                    base::Provider::anthropic, base::Provider::cohere}) {
        const Upstream upstream{.provider = provider, .alias = "a", .model = "m"};
        auto request = parse_chat(body, Endpoint::chat);
        ASSERT_TRUE(request);
        auto call = dialect(Endpoint::chat, upstream).call(*request, upstream);
        ASSERT_TRUE(call) << call.error().detail;
        EXPECT_LE(call->changes.size(), kMostChanges + 4);
    }
}

TEST(Limits, UnknownParametersAreNamedUpToABound) {
    Chat chat;
    for (int i = 0; i < 500; ++i) chat.set(fmt::format("x{}", i), "1");
    const Upstream upstream;
    EXPECT_EQ(Parameters(chat, upstream).changes().size(), kMostChanges + 1);
}

}  // namespace
}  // namespace llm
