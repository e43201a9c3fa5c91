// Tools and what is asked of them, where client and target both speak OpenAI's chat.

#include "llm/dialect.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace llm {
namespace {

using base::Provider;
using std::string_view;

std::string sent(const Upstream& upstream, std::string body, Endpoint endpoint = Endpoint::chat) {
    auto request = parse_chat(std::move(body), endpoint);
    EXPECT_TRUE(request) << request.error().detail;
    auto call = dialect(*request, upstream).call(*request, upstream);
    return call ? call->body : call.error().detail;
}

Upstream to(Provider provider) { return {.provider = provider, .alias = "a", .model = "m"}; }

std::string with_choice(string_view choice) {
    return fmt::format(
        R"({{"model":"a","tool_choice":{},"tools":[{{"type":"function","function":{{"name":"f"}}}}, {{"type":"function","function":{{"name":"g"}}}},{{"type":"function","function":{{"name":"h"}}}}],"messages":[{{"role":"user","content":"x"}}]}})",
        choice);
}

TEST(OpenAiTools, AChoiceOfSomeIsOpenAisOwn) {
    const std::string body = with_choice(
        R"({"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}})");
    for (Provider provider : {Provider::mistral, Provider::cerebras, Provider::groq,
                              Provider::huggingface, Provider::openrouter,
                              Provider::openai_compatible}) {
        const std::string out = sent(to(provider), body);
        EXPECT_NE(
            out.find(
                R"("tool_choice":"required","tools":[{"type":"function","function":{"name":"g"}}],"messages")"),
            out.npos)
            << out;
    }
    EXPECT_NE(sent(to(Provider::openai), body).find("\"allowed_tools\""), body.npos);
    const std::string any = with_choice(
        R"({"type":"allowed_tools","mode":"auto","tools":[{"name":"f"},{"name":"h"}]})");
    EXPECT_NE(
        sent(to(Provider::groq), any)
            .find(
                R"("tool_choice":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"h"}}])"),
        any.npos);
    EXPECT_NE(sent(to(Provider::groq),
                   with_choice(R"({"type":"allowed_tools","mode":"auto","tools":[{"name":"x"}]})"))
                  .find("names no tool of `tools`"),
              any.npos);
}

}  // namespace
}  // namespace llm
