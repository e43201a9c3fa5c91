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
    for (Provider provider :
         {Provider::mistral, Provider::cerebras, Provider::groq, Provider::huggingface,
          Provider::openrouter, Provider::openai_compatible}) {
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

const std::string kLongName(100, 'n');

TEST(OpenAiTools, LongNamesFitAndComeBack) {
    const std::string body = fmt::format(
        R"({{"model":"a","max_tokens":9,"tools":[{{"name":"{0}","input_schema":{{"type":"object"}}}},{{"name":"{0}b","input_schema":{{"type":"object"}}}}],"tool_choice":{{"type":"tool","name":"{0}"}},"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"{0}","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":"1"}}]}}]}})",
        kLongName);
    for (Provider provider :
         {Provider::openai, Provider::groq, Provider::mistral, Provider::cohere}) {
        const std::string out = sent(to(provider), body, Endpoint::messages);
        EXPECT_EQ(out.find(kLongName), out.npos) << out;
        const std::string first = std::string(55, 'n') + '_';
        const std::size_t at = out.find(first);
        ASSERT_NE(at, out.npos) << out;
        const std::string name = out.substr(at, 64);
        EXPECT_EQ(out[at + 64], '"') << out;

        auto request = parse_chat(body, Endpoint::messages);
        std::vector<Header> headers;
        const std::string call = fmt::format(
            R"("tool_calls":[{{"id":"1","type":"function","function":{{"name":"{}","arguments":"{{}}"}}}}])",
            name);
        const bool cohere = provider == Provider::cohere;
        const std::string reply =
            cohere
                ? fmt::format(
                      R"({{"id":"1","finish_reason":"TOOL_CALL","message":{{"role":"assistant",{}}}}})",
                      call)
                : fmt::format(
                      R"({{"id":"1","choices":[{{"index":0,"message":{{"role":"assistant",{}}},"finish_reason":"tool_calls"}}]}})",
                      call);
        const Upstream upstream = to(provider);
        auto answer =
            dialect(*request, upstream)
                .answer(*request, upstream, {.status = 200, .headers = headers, .body = reply}, {});
        ASSERT_TRUE(answer) << answer.error().detail;
        EXPECT_EQ(answer->body.find(name), std::string::npos) << answer->body;
        EXPECT_NE(answer->body.find(kLongName + '"'), std::string::npos) << answer->body;
        if (cohere) continue;
        auto stream = dialect(*request, upstream).stream(*request, upstream, {});
        std::string events;
        ASSERT_FALSE(stream->feed(
            fmt::format(
                R"(data: {{"id":"1","choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"1","function":{{"name":"{}","arguments":"{{}}"}}}}]}}}}]}})"
                "\n\n",
                name),
            events));
        EXPECT_NE(events.find(kLongName + '"'), std::string::npos) << events;
    }
}

TEST(OpenAiTools, AnEmptyListOfStopsIsNotSent) {
    const std::string out = sent(
        to(Provider::openai),
        R"({"model":"a","max_tokens":9,"stop_sequences":[],"messages":[{"role":"user","content":"x"}]})",
        Endpoint::messages);
    EXPECT_EQ(out.find("\"stop\""), out.npos) << out;
}

TEST(OpenAiTools, OpenAiTakesNoLongIds) {
    const std::string id(50, 'i');
    const std::string body = fmt::format(
        R"({{"model":"a","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{{"id":"{0}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"{0}","content":"1"}}]}})",
        id);
    const std::string out = sent(to(Provider::openai), body);
    EXPECT_EQ(out.find(id), out.npos) << out;
    const std::string short_id = out.substr(out.find(R"("id":")") + 6, 40);
    EXPECT_NE(out.find(R"("id":")" + short_id + '"'), out.npos) << out;
    EXPECT_NE(out.find(R"("tool_call_id":")" + short_id + '"'), out.npos) << out;
    EXPECT_NE(sent(to(Provider::groq), body).find(id), out.npos);
}

}  // namespace
}  // namespace llm
