#include "device/ollama_show.h"

#include <gtest/gtest.h>

using namespace device;

namespace {

base::ModelFacts facts(std::string_view body) {
    const auto read = read_show(body);
    EXPECT_TRUE(read) << body;
    return read.value_or(base::ModelFacts());
}

PullPlan::Claim claim(config::Capabilities can, std::optional<std::uint64_t> window = {}) {
    return {"a", can, window};
}

}  // namespace

TEST(ReadShow, KnowsWhatIsListedAndTheWindow) {
    const base::ModelFacts read = facts(
        R"({"capabilities":["completion","tools","thinking"],"model_info":{"general.architecture":"qwen3","qwen3.context_length":40960}})");
    EXPECT_EQ(read, (base::ModelFacts{
                        .completion = true, .tools = true, .thinking = true, .context = 40'960}));
    EXPECT_EQ(facts(R"({"capabilities":["embedding"]})"), (base::ModelFacts{.embedding = true}));
}

TEST(ReadShow, WhatDoesNotSayWhatAModelCanDoSaysNothing) {
    for (const std::string_view body :
         {"", "no json", "[]", "{}", R"({"capabilities":[]})", R"({"capabilities":"tools"})"})
        EXPECT_FALSE(read_show(body)) << body;
}

TEST(ReadShow, AWindowThatIsNoneIsUnknown) {
    for (const std::string_view tokens : {"0", "-1", "\"many\"", "1e30", "null"}) {
        const std::string body =
            R"({"capabilities":["completion"],"model_info":{"a.context_length":)" +
            std::string(tokens) + "}}";
        EXPECT_FALSE(facts(body).context) << body;
    }
}

TEST(Difference, NamesWhatTheConfigurationAndTheServiceDoNotShare) {
    const base::ModelFacts model{.completion = true, .vision = true, .context = 8192};
    const Difference both = difference(claim({.stated = true, .tools = true}, 32'768), model);
    EXPECT_EQ(both.text,
              "it lists no tools, it lists vision, its window is 8192 tokens, max_input_tokens is "
              "32768");
    EXPECT_TRUE(both.trusted_too_far);
    const Difference careful = difference(claim({.stated = true}, 4096), model);
    EXPECT_EQ(careful.text, "it lists vision");
    EXPECT_FALSE(careful.trusted_too_far);
}

TEST(Difference, WhoSaysNothingDoesNotDiffer) {
    const base::ModelFacts model{.completion = true, .tools = true, .context = 8192};
    EXPECT_EQ(difference(claim({}), model).text, "");
    EXPECT_EQ(difference(claim({.stated = true, .tools = true}, 8192), model).text, "");
}
