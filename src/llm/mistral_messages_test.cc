#include "llm/dialect.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace llm {
namespace {

/// What becomes of these messages on their way to Mistral, and the end of the body.
std::string edited(std::string_view messages) {
    auto request =
        parse_chat(fmt::format(R"({{"model":"x","messages":[{}]}})", messages), Endpoint::chat);
    EXPECT_TRUE(request) << request.error().detail;
    const Upstream upstream{.provider = base::Provider::mistral, .alias = "a", .model = "m"};
    auto call = dialect(*request, upstream).call(*request, upstream);
    EXPECT_TRUE(call) << call.error().detail;
    return call->body.substr(std::string_view(R"({"model":"m","messages":)").size());
}

TEST(MistralMessages, TheLastTurnIsNotTheSystems) {
    EXPECT_EQ(edited(R"({"role":"system","content":"s"})"), R"([{"role":"user","content":"s"}]})");
    EXPECT_EQ(edited(R"({"role":"user","content":"u"},{"role":"developer","content":"d"})"),
              R"([{"role":"user","content":"u"},{"role":"user","content":"d"}]})");
}

TEST(MistralMessages, CallsAllHaveResultsAndAnAssistantAfterThem) {
    const std::string call =
        R"({"role":"user","content":"u"},{"role":"assistant","content":"","tool_calls":[{"id":"call00001","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call00002","function":{"name":"f","arguments":{"a":1}}}]})";
    const std::string mended =
        R"([{"role":"user","content":"u"},{"role":"assistant","content":"","tool_calls":[{"id":"call00001","type":"function","function":{"name":"f","arguments":"{}"}},{"type":"function","id":"call00002","function":{"name":"f","arguments":"{\"a\":1}"}}]},)";
    const std::string one = R"({"role":"tool","tool_call_id":"call00001","content":"r"},)";
    const std::string none = R"({"role":"tool","tool_call_id":"call00002","content":"No result."})";
    EXPECT_EQ(
        edited(call + ',' + one +
               R"({"role":"system","content":"s"},{"role":"user","content":"v"})"),
        mended + one + none +
            R"(,{"role":"assistant","content":"OK."},{"role":"system","content":"s"},{"role":"user","content":"v"}]})");
    EXPECT_EQ(edited(call),
              mended + R"({"role":"tool","tool_call_id":"call00001","content":"No result."},)" +
                  none + "]}");
    EXPECT_EQ(edited(call + ',' + one + R"({"role":"assistant","content":"a"},)" +
                     R"({"role":"user","content":"v"})"),
              mended + one + none +
                  R"(,{"role":"assistant","content":"a"},{"role":"user","content":"v"}]})");
}

}  // namespace
}  // namespace llm
