#include "llm/continuation.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

std::string joined(std::string_view said, std::initializer_list<std::string_view> pieces) {
    Seam seam(said);
    std::string out;
    for (std::string_view piece : pieces) out += seam.next(piece);
    return out + seam.rest();
}

TEST(Seam, WhatIsSaidAgainIsTakenOut) {
    EXPECT_EQ(joined("The capital of France is", {" Paris."}), " Paris.");
    EXPECT_EQ(joined("The capital of France is", {"capital of France is Paris."}), " Paris.");
    EXPECT_EQ(joined("The capital of France is", {"capital of ", "Fra", "nce is", " Paris."}),
              " Paris.");
}

TEST(Seam, TheWholeBeginningSaidOnceMoreIsTakenOut) {
    EXPECT_EQ(joined("One, two", {"One, two, three"}), ", three");
    EXPECT_EQ(joined("One, two", {"O", "ne", ", two, three"}), ", three");
}

TEST(Seam, WordsThatHappenToBeginAlikeAreKept) {
    EXPECT_EQ(joined("hel", {"lo"}), "lo");
    EXPECT_EQ(joined("ha ha ha", {" ha"}), " ha");
    EXPECT_EQ(joined("The cat sat on the", {" the mat"}), " the mat");
}

TEST(Seam, OneBlankBetweenWordsIsEnough) {
    EXPECT_EQ(joined("Hello ", {" world"}), "world");
    EXPECT_EQ(joined("Hello ", {"world"}), "world");
}

TEST(Seam, AHeldPieceIsNotLost) {
    EXPECT_EQ(joined("abcdefghijklmnop", {"abc"}), "abc");
    EXPECT_EQ(joined("abcdefghijklmnop", {"efghijklmnop"}), "");
}

class ContinuationTest : public testing::Test {
protected:
    ChatRequest request = *parse_chat(
        R"({"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Count"}]})",
        Endpoint::chat);
    Upstream first{.provider = base::Provider::groq, .alias = "a", .model = "m1"};
    Upstream second{.provider = base::Provider::groq, .alias = "b", .model = "m2"};

    static std::string chunk(std::string_view delta, std::string_view reason = "null") {
        return "data: {\"id\":\"x\",\"created\":7,\"choices\":[{\"index\":0,\"delta\":" +
               std::string(delta) + ",\"finish_reason\":" + std::string(reason) + "}]}\n\n";
    }
};

TEST_F(ContinuationTest, TheNextTargetGetsWhatWasSaidAndGoesOn) {
    Continuation answer(request);
    std::string out;
    {
        auto cut = answer.stream(first, {});
        EXPECT_FALSE(cut->feed(chunk(R"({"role":"assistant","content":"One, "})"), out));
        EXPECT_FALSE(cut->feed(chunk(R"({"content":"two"})"), out));
        EXPECT_TRUE(cut->finish(out));
        EXPECT_TRUE(cut->committed());
        answer.broke(cut->usage());
    }
    EXPECT_TRUE(answer.can_go_on());
    auto call = answer.call(second);
    ASSERT_TRUE(call) << call.error().detail;
    EXPECT_NE(call->body.find(R"({"role":"assistant","content":"One, two"}])"), std::string::npos)
        << call->body;
    auto rest = answer.stream(second, {});
    out.clear();
    EXPECT_FALSE(rest->feed(chunk(R"({"role":"assistant","content":", three"})"), out));
    EXPECT_FALSE(rest->feed(chunk("{}", "\"stop\""), out));
    EXPECT_FALSE(rest->feed(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3}}\n\n",
        out));
    EXPECT_FALSE(rest->feed("data: [DONE]\n\n", out));
    EXPECT_TRUE(rest->done());
    EXPECT_EQ(out.find("\"role\""), std::string::npos) << "the role is told once";
    EXPECT_NE(out.find("\"content\":\", three\""), std::string::npos);
    EXPECT_NE(out.find("\"model\":\"a\""), std::string::npos) << "one model from begin to end";
    EXPECT_NE(out.find("\"completion_tokens\":5"), std::string::npos) << "both are billed: " << out;
}

TEST_F(ContinuationTest, AnAttemptWithoutContentLeavesTheBeginningToTheNext) {
    Continuation answer(request);
    std::string out;
    {
        auto failed = answer.stream(first, {});
        EXPECT_FALSE(failed->feed(chunk(R"({"role":"assistant"})"), out));
        EXPECT_TRUE(failed->finish(out));
        EXPECT_FALSE(failed->committed());
    }
    EXPECT_FALSE(answer.begun());
    out.clear();
    auto next = answer.stream(second, {});
    EXPECT_FALSE(next->feed(chunk(R"({"content":"One"})"), out));
    EXPECT_NE(out.find("\"role\":\"assistant\""), std::string::npos);
    EXPECT_NE(out.find("\"model\":\"b\""), std::string::npos);
}

TEST_F(ContinuationTest, NeverWhileAToolIsCalled) {
    Continuation answer(request);
    std::string out;
    auto cut = answer.stream(first, {});
    EXPECT_FALSE(cut->feed(
        chunk(
            R"({"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}}]})"),
        out));
    EXPECT_TRUE(cut->committed());
    EXPECT_FALSE(answer.can_go_on());
}

}  // namespace
}  // namespace llm
