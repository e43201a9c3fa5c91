#include "llm/shorter_answer.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

bool fits(std::string more, std::uint64_t most) {
    auto request = parse_chat(
        R"({"model":"a","messages":[{"role":"user","content":"x"}])" + more + "}", Endpoint::chat);
    return request && may_be_shorter(*request, most);
}

std::string shortened(std::string body) {
    Call call{"/chat/completions", std::move(body), {}};
    shorten_answer(call, 1200);
    return call.body;
}

TEST(ShorterAnswer, IsAskedForWhereTheClientLeavesRoom) {
    EXPECT_TRUE(fits("", 1200));
    EXPECT_TRUE(fits(R"(,"max_tokens":65536)", 1200));
    EXPECT_TRUE(fits(R"(,"max_completion_tokens":1201)", 1200));
    EXPECT_TRUE(fits("", 16));
}

TEST(ShorterAnswer, IsNotAskedForWhereItHelpsNobody) {
    EXPECT_FALSE(fits("", 15));
    EXPECT_FALSE(fits(R"(,"max_tokens":1200)", 1200));
    EXPECT_FALSE(fits(R"(,"max_tokens":100)", 1200));
    EXPECT_FALSE(fits(R"(,"min_tokens":1201)", 1200));
}

TEST(ShorterAnswer, BoundsTheCall) {
    EXPECT_EQ(shortened(R"({"model":"m","max_tokens":4096,"stream":true})"),
              R"({"model":"m","max_tokens":1200,"stream":true})");
    EXPECT_EQ(shortened(R"({"max_completion_tokens":null})"), R"({"max_completion_tokens":1200})");
    EXPECT_EQ(shortened(R"({"model":"m"})"), R"({"model":"m","max_tokens":1200})");
}

}  // namespace
}  // namespace llm
