#include "llm/recording.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

ChatRequest asked(std::string more = "") {
    return *parse_chat(R"({"model":"a","messages":[{"role":"user","content":"hi"}])" + more + "}",
                       Endpoint::chat);
}

Completion with_everything() {
    Completion answer{.id = "c1", .created = 7, .finish_reason = "tool_calls"};
    answer.parts.push_back({.kind = Part::Kind::thinking, .text = std::string(500, 't')});
    std::string text;
    for (int i = 0; i < 300; ++i) text += "\u00e9\U0001F600";
    answer.parts.push_back({.text = text});
    answer.parts.push_back({.kind = Part::Kind::tool_call,
                            .name = "f",
                            .id = "call_1",
                            .json = R"({"x":")" + std::string(400, 'y') + R"("})"});
    answer.parts.push_back(
        {.kind = Part::Kind::tool_call, .name = "g", .id = "call_2", .json = "{}"});
    answer.usage.prompt = 3;
    answer.usage.completion = 4;
    answer.usage.known = true;
    return answer;
}

TEST(Recording, AStreamMadeOfAnAnswerIsThatAnswer) {
    const ChatRequest request = asked(R"(,"stream":true)");
    const Completion original = with_everything();
    const std::string frames = as_stream(request, "a", original, base::WallTime());
    for (std::size_t step : {std::size_t{1}, std::size_t{7}, frames.size()}) {
        Recording recording(request, "a", base::WallTime());
        for (std::size_t i = 0; i < frames.size(); i += step)
            recording.feed(std::string_view(frames).substr(i, step));
        const auto answer = recording.whole(original.usage);
        ASSERT_TRUE(answer) << step;
        EXPECT_EQ(answer->text(), original.text());
        EXPECT_EQ(answer->thinking(), original.thinking());
        ASSERT_EQ(answer->parts.size(), 4u);
        EXPECT_EQ(answer->parts[2].json, original.parts[2].json);
        EXPECT_EQ(answer->parts[3].id, "call_2");
        EXPECT_EQ(answer->finish_reason, "tool_calls");
        EXPECT_EQ(answer->id, "c1");
        EXPECT_EQ(answer->usage.completion, 4u);
    }
}

TEST(Recording, ABodyReadBackGivesTheSameStream) {
    const ChatRequest request = asked();
    const Completion original = with_everything();
    const std::string body = client_dialect(request.endpoint).answer(request, "a", original);
    const auto answer = read_back(request, body);
    ASSERT_TRUE(answer);
    EXPECT_EQ(as_stream(request, "a", *answer, base::WallTime()),
              as_stream(request, "a", original, base::WallTime()));
}

TEST(Recording, AStreamWithoutItsEndIsNoAnswer) {
    const ChatRequest request = asked(R"(,"stream":true)");
    const std::string frames = as_stream(request, "a", with_everything(), base::WallTime());
    Recording recording(request, "a", base::WallTime());
    recording.feed(std::string_view(frames).substr(0, frames.size() / 2));
    EXPECT_FALSE(recording.whole({}));
}

TEST(Recording, OnlyWhatFitsTheCanonicalFormChangesForm) {
    EXPECT_TRUE(changes_form(asked()));
    EXPECT_TRUE(changes_form(asked(R"(,"logprobs":false,"n":1,"functions":[])")));
    for (const char* more : {R"(,"n":2)", R"(,"logprobs":true)", R"(,"top_logprobs":2)",
                             R"(,"functions":[{"name":"f"}])", R"(,"audio":{"voice":"x"})"})
        EXPECT_FALSE(changes_form(asked(more))) << more;
}

}  // namespace
}  // namespace llm
