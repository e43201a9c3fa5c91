#include "llm/hidden_error.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

constexpr auto kNow = base::WallTime(std::chrono::seconds(1'779'784'800));

std::optional<Failure> read(std::string_view text) {
    return agent_complaint(base::Provider::openai_compatible, text, kNow);
}

TEST(HiddenError, AUsedUpPlanComesBackWhenItSays) {
    const auto failure = read("Claude AI usage limit reached|1779792000");
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->outcome, Outcome::exhausted);
    EXPECT_EQ(failure->scope, Scope::account);
    EXPECT_EQ(failure->back_in, base::Duration(7'200'000));
    for (const char* text :
         {"Claude AI usage limit reached", "5-hour limit reached \u2219 resets 3pm",
          "You've hit your limit \u00b7 resets 3pm (UTC)",
          "You've hit your weekly limit \u00b7 resets Oct 3, 5pm", "Credit balance is too low"}) {
        ASSERT_TRUE(read(text)) << text;
        EXPECT_EQ(read(text)->outcome, Outcome::exhausted) << text;
    }
}

TEST(HiddenError, ARefusedKey) {
    for (
        const char* text :
        {"Invalid API key \u00b7 Fix external API key",
         "OAuth token revoked \u00b7 Please run /login", "Not logged in \u00b7 Please run /login",
         "API Error: 401 Invalid API key \u00b7 Please run /login",
         R"(Failed to authenticate. API Error: 401 {"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired."}})",
         R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})"}) {
        ASSERT_TRUE(read(text)) << text;
        EXPECT_EQ(read(text)->outcome, Outcome::unauthorized) << text;
    }
}

TEST(HiddenError, OtherFailures) {
    EXPECT_EQ(read("[error: pi exited with 1]")->outcome, Outcome::malformed);
    EXPECT_EQ(read("API Error: 529 "
                   "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
                   "\"Overloaded\"}}")
                  ->outcome,
              Outcome::busy);
    EXPECT_TRUE(read("API Error: Connection error."));
    EXPECT_EQ(read("Prompt is too long")->outcome, Outcome::context_overflow);
    EXPECT_TRUE(read("Execution error"));
    EXPECT_FALSE(read("Prompt is too long, so I cut it."));
    EXPECT_TRUE(read("API Error (Request timed out.)"));
    EXPECT_EQ(
        read("[error: 429 {\"error\":{\"code\":\"1302\",\"message\":\"High concurrency usage\"}}]")
            ->outcome,
        Outcome::busy);
}

TEST(HiddenError, AnAnswerThatSpeaksOfErrorsIsAnAnswer) {
    for (const char* text : {
             "Claude AI usage limit reached is what Claude Code says when the plan is used up.",
             "Invalid API key means that the server does not know the key.",
             "API Error: 401 means that the key was refused.",
             "API Error handling in your code is missing.",
             "[error: foo] is printed by the parser",
             "You've hit your limit of patience, I see.",
             "Not logged in users see the start page.",
             "{\"type\":\"error\"} is what the server sends.",
             "The header authentication_error means that the token has expired.",
             "Credit balance is too low\n\nThat message comes from the billing module.",
         })
        EXPECT_FALSE(read(text)) << text;
    EXPECT_FALSE(read("[error: " + std::string(700, 'x') + "]"));
}

TEST(HiddenError, ItsBeginningIsKnownAtEveryByte) {
    for (const std::string_view text :
         {"[error: pi exited with 1]", "Claude AI usage limit reached|1779792000",
          "5-hour limit reached \u2219 resets 3pm", "Invalid API key \u00b7 Fix external API key",
          "API Error: Connection error.", "API Error (Request timed out.)",
          R"({"type":"error","error":{"type":"authentication_error","message":"no"}})"})
        for (std::size_t size = 0; size <= text.size(); ++size)
            EXPECT_TRUE(may_be_complaint(text.substr(0, size))) << text.substr(0, size);
    for (const std::string_view text :
         {"Hello", "In Rust", "Invalid API keys are", "API Errors", "[errors: none]",
          "Claude AI usage limit reached is", "Not logged in users", "[error: a]\n\nThat is"})
        EXPECT_FALSE(may_be_complaint(text)) << text;
    EXPECT_FALSE(may_be_complaint("[error: " + std::string(700, 'x')));
}

}  // namespace
}  // namespace llm
