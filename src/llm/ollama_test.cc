#include "llm/ollama.h"

#include "llm/answer_format.h"
#include "llm/json.h"
#include "llm/ollama_client.h"
#include "llm/translate.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llm {
namespace {

using std::string_view;

const std::vector<Extra> kContext{{"num_ctx", "16384"}};
const Upstream kTarget{.provider = base::Provider::ollama,
                       .alias = "local",
                       .model = "qwen3:8b",
                       .reasoning = true,
                       .defaults = kContext};

Chat asking() {
    Chat chat;
    chat.messages.push_back({.parts = {{.text = "Weather?"}}});
    chat.tools.push_back({.name = "get_weather"});
    return chat;
}

TEST(Ollama, TheContextSizeGoesWhereItActs) {
    auto call = OllamaUpstream().call(asking(), ChatRequest(), kTarget);
    ASSERT_TRUE(call);
    EXPECT_EQ(call->path, "/api/chat");
    EXPECT_EQ(json::member(call->body, "options", "num_ctx"), "16384");
}

/// What a client's own members become at the target.
Call called(const std::string& body, Endpoint endpoint, const Upstream& target) {
    auto request = parse_chat(body, endpoint);
    EXPECT_TRUE(request) << request.error().detail;
    auto call = dialect(*request, target).call(*request, target);
    EXPECT_TRUE(call) << call.error().detail;
    return *std::move(call);
}

bool noted(const Call& call, string_view change) {
    return std::ranges::find(call.changes, change) != call.changes.end();
}

TEST(Ollama, HowTheModelIsLoadedIsTheAliassOwn) {
    const std::vector<Extra> defaults{
        {"num_ctx", "8192"}, {"num_gpu", "99"}, {"keep_alive", "\"5m\""}};
    const std::vector<std::string> allow{"options", "num_ctx", "num_thread", "keep_alive"};
    Upstream target = kTarget;
    target.defaults = defaults;
    target.allow = allow;
    constexpr string_view kMessages = R"("messages":[{"role":"user","content":"hi"}])";
    const std::string wishes =
        R"(,"keep_alive":0,"options":{"num_ctx":512,"num_gpu":1,"num_batch":2,"main_gpu":1,"use_mmap":false,"num_thread":3,"mirostat":1}})";
    const std::string native = R"({"model":"m",)" + std::string(kMessages) + wishes;
    const std::string prompt = R"({"model":"m","prompt":"hi")" + wishes;
    const std::string openai =
        R"({"model":"m","num_ctx":7,"num_thread":8,)" + std::string(kMessages) + wishes;
    for (auto& [body, endpoint] :
         {std::pair(native, Endpoint::ollama_chat), std::pair(prompt, Endpoint::ollama_generate),
          std::pair(openai, Endpoint::chat)}) {
        const Call call = called(body, endpoint, target);
        EXPECT_EQ(json::member(call.body, "options", "num_ctx"), "8192") << call.body;
        EXPECT_EQ(json::member(call.body, "options", "num_gpu"), "99") << call.body;
        EXPECT_EQ(json::member(call.body, "options", "mirostat"), "1") << call.body;
        for (string_view gone : {"num_batch", "main_gpu", "use_mmap", "num_thread"})
            EXPECT_EQ(json::member(call.body, "options", gone), "") << call.body;
        EXPECT_EQ(json::member(call.body, "keep_alive"), "\"5m\"") << call.body;
        EXPECT_TRUE(noted(call, "removed options.num_ctx"));
    }
    EXPECT_TRUE(noted(called(openai, Endpoint::chat, target), "removed num_ctx"));
    EXPECT_TRUE(noted(called(openai, Endpoint::chat, target), "removed keep_alive"));
}

TEST(Ollama, WithoutLoadOptionsAClientsBytesPass) {
    const std::string body =
        R"({"model":"qwen3:8b","messages":[{"role":"user","content":"hi"}],"keep_alive":"1m", "options":{"seed":1}})";
    Upstream target = kTarget;
    target.defaults = {};
    EXPECT_EQ(called(body, Endpoint::ollama_chat, target).body, body);
}

TEST(Ollama, ThinkIsSentWhereTheModelCan) {
    const auto think = [](string_view more, const Upstream& target, Endpoint endpoint) {
        const Call call = called(
            R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more) + '}',
            endpoint, target);
        return std::string(json::member(call.body, "think"));
    };
    Upstream plain = kTarget;
    plain.reasoning = false;
    Upstream unsaid = plain;
    unsaid.stated = false;
    constexpr string_view kNone = R"(,"reasoning_effort":"none")";
    constexpr string_view kHigh = R"(,"reasoning_effort":"high")";
    EXPECT_EQ(think(kNone, kTarget, Endpoint::chat), "false");
    EXPECT_EQ(think(kHigh, kTarget, Endpoint::chat), "true");
    EXPECT_EQ(think("", kTarget, Endpoint::chat), "");
    for (string_view wish : {kNone, kHigh, string_view()})
        EXPECT_EQ(think(wish, plain, Endpoint::chat), "") << wish;
    EXPECT_EQ(think(kNone, unsaid, Endpoint::chat), "false");
    EXPECT_EQ(think(kHigh, unsaid, Endpoint::chat), "");
    EXPECT_EQ(think(R"(,"think":true)", kTarget, Endpoint::ollama_chat), "true");
    EXPECT_EQ(think(R"(,"think":true)", unsaid, Endpoint::ollama_chat), "true");
    EXPECT_EQ(think(R"(,"think":true)", plain, Endpoint::ollama_chat), "");
}

TEST(Ollama, APromptThatWasStillInMemoryIsEstimated) {
    ChatRequest request;
    request.prompt_bytes = 400;
    const Usage counted = ollama::read_counts(
        R"({"prompt_eval_count":11,"eval_count":7,"load_duration":1234567890})", request);
    EXPECT_TRUE(counted.prompt == 11 && counted.completion == 7 && counted.known);
    EXPECT_FALSE(counted.estimated);
    EXPECT_EQ(counted.load_ms, 1234u);
    const Usage cached = ollama::read_counts(R"({"eval_count":7})", request);
    EXPECT_TRUE(cached.prompt == 100 && cached.completion == 7 && cached.known);
    EXPECT_TRUE(cached.estimated);
    EXPECT_EQ(cached.load_ms, 0u);
    EXPECT_FALSE(ollama::read_counts("{}", request).known);
}

TEST(Ollama, CallsInAStreamAreCallsAndNoText) {
    ChatRequest request;
    request.chat = std::make_shared<const base::Result<Chat>>(asking());
    auto reader = OllamaUpstream().stream(request, kTarget, {});
    Collector seen;
    Meter meter(seen);
    constexpr string_view kLine =
        R"({"created_at":"t","message":{"content":"","tool_calls":[{"function":{"name":"get_weather","arguments":{"city":"Oslo"}}}]},"done":false})"
        "\n"
        R"({"created_at":"t","message":{"content":""},"done":true,"done_reason":"stop","eval_count":4})"
        "\n";
    for (char c : kLine) ASSERT_FALSE(reader->feed(string_view(&c, 1), meter));
    ASSERT_FALSE(reader->finish(meter));
    ASSERT_FALSE(meter.close(request));
    EXPECT_EQ(seen.answer().text(), "");
    EXPECT_EQ(seen.answer().finish_reason, "tool_calls");
    ASSERT_EQ(seen.answer().parts.size(), 1u);
    const Part& call = seen.answer().parts.front();
    EXPECT_EQ(call.kind, Part::Kind::tool_call);
    EXPECT_EQ(call.name, "get_weather");
    EXPECT_EQ(call.json, R"({"city":"Oslo"})");
    EXPECT_TRUE(call.id.starts_with("call_")) << call.id;
}

TEST(Ollama, ArgumentsAreObjectsWhateverAModelWrote) {
    EXPECT_EQ(ollama::object_or_empty(R"({"a":1})"), R"({"a":1})");
    for (string_view broken : {"", "{", "[1]", "\"text\"", R"({"a":1} x)"})
        EXPECT_EQ(ollama::object_or_empty(broken), "{}") << broken;
}

TEST(OllamaClient, StreamsUnlessToldOtherwise) {
    for (auto [body, stream] :
         {std::pair(R"({"model":"m","messages":[]})", true),
          std::pair(R"({"model":"m","messages":[],"stream":false})", false)}) {
        auto request = parse_chat(body, Endpoint::ollama_chat);
        ASSERT_TRUE(request);
        EXPECT_EQ(request->stream, stream) << body;
    }
}

TEST(OllamaClient, APromptHasNoTools) {
    auto request = parse_chat(
        R"({"model":"m","prompt":"hi","tools":[{"type":"function","function":{"name":"f"}}]})",
        Endpoint::ollama_generate);
    ASSERT_TRUE(request);
    EXPECT_FALSE(request->wants_tools);
    EXPECT_TRUE(canonical(*request).value().tools.empty());
}

TEST(OllamaClient, NamesWhatIsWrong) {
    for (
        auto [body, word] :
        {std::pair(R"({"model":"m","messages":"hi"})", "messages"),
         std::pair(R"({"model":"m","messages":[{"role":"robot"}]})", "robot"),
         std::pair(
             R"({"model":"m","messages":[{"role":"user","content":[]},{"role":"user","content":[1]}]})",
             "images"),
         std::pair(R"({"model":"m","messages":[{"role":"user","images":[1]}]})", "base64"),
         std::pair(R"({"model":"m","messages":[],"think":7})", "think"),
         std::pair(R"({"model":"m","messages":[],"format":"xml"})", "format")}) {
        auto request = parse_chat(body, Endpoint::ollama_chat);
        ASSERT_FALSE(request) << body;
        EXPECT_EQ(request.error().kind, base::ErrorKind::bad_input);
        EXPECT_NE(request.error().detail.find(word), std::string::npos) << request.error().detail;
    }
}

TEST(OllamaClient, ResultsFindTheirCallsByTheToolsName) {
    auto request = parse_chat(
        R"({"model":"m","messages":[{"role":"assistant","tool_calls":[
            {"function":{"name":"a","arguments":{}}},{"function":{"name":"b","arguments":{}}},
            {"function":{"name":"a","arguments":{}}}]},
            {"role":"tool","tool_name":"b","content":"2"},
            {"role":"tool","tool_name":"a","content":"1"},
            {"role":"tool","tool_name":"a","content":"3"}]})",
        Endpoint::ollama_chat);
    ASSERT_TRUE(request);
    const Chat& chat = canonical(*request).value();
    ASSERT_EQ(chat.messages.size(), 2u);
    const std::vector<Part>& calls = chat.messages[0].parts;
    const std::vector<Part>& results = chat.messages[1].parts;
    ASSERT_EQ(results.size(), 3u);
    EXPECT_EQ(results[0].id, calls[1].id);
    EXPECT_EQ(results[1].id, calls[0].id);
    EXPECT_EQ(results[2].id, calls[2].id);
}

TEST(OllamaClient, AskingNothingLoads) {
    const OllamaClient client(OllamaClient::Route::generate);
    const base::WallTime now = *base::utc(2026, 11, 22, 12, 0, 5) + std::chrono::nanoseconds(7);
    auto request = parse_chat(R"({"model":"m","keep_alive":0})", Endpoint::ollama_generate);
    ASSERT_TRUE(request);
    EXPECT_EQ(
        client.nothing_asked(*request, now).value().answer,
        R"({"model":"m","created_at":"2026-11-22T12:00:05.000000007Z","response":"","done":true,"done_reason":"unload"})");
    for (const auto& [body, unload] : std::vector<std::pair<const char*, bool>>{
             {R"({"model":"m","keep_alive":0})", true},
             {R"({"model":"m","prompt":"","keep_alive":"0s"})", true},
             {R"({"model":"m","system":"Be brief.","keep_alive":"5m"})", false},
             {R"({"model":"m","raw":true,"suffix":"x","keep_alive":-1})", false},
             {R"({"model":"m"})", false}}) {
        request = parse_chat(body, Endpoint::ollama_generate);
        ASSERT_TRUE(request && client.nothing_asked(*request, now)) << body;
        EXPECT_EQ(client.nothing_asked(*request, now)->unload, unload) << body;
    }
    request = parse_chat(R"({"model":"m","prompt":"Hi"})", Endpoint::ollama_generate);
    ASSERT_TRUE(request);
    EXPECT_FALSE(client.nothing_asked(*request, now));
    const OllamaClient chat(OllamaClient::Route::chat);
    request = parse_chat(R"({"model":"m","messages":[]})", Endpoint::ollama_chat);
    ASSERT_TRUE(request);
    EXPECT_TRUE(chat.nothing_asked(*request, now));
    request = parse_chat(R"({"model":"m","messages":[{"role":"system","content":"x"}]})",
                         Endpoint::ollama_chat);
    ASSERT_TRUE(request);
    EXPECT_FALSE(chat.nothing_asked(*request, now));
}

TEST(OllamaClient, ErrorsAreTextsWithTheAttemptsBehindThem) {
    EXPECT_EQ(
        ollama_error(
            R"({"error":{"message":"no \"x\"","type":"t","code":null,"attempts":[{"alias":"a"}]}})"),
        R"({"error":"no \"x\"","attempts":[{"alias":"a"}]})");
}

TEST(Ollama, AGenerationBoundToAFormatIsChecked) {
    const std::vector<Header> headers;
    for (auto [text, fits] :
         {std::pair(R"("{\"a\":1}")", true), std::pair(R"("nothing")", false)}) {
        const std::string reply = std::string(R"({"model":"q","created_at":"t","response":)") +
                                  text + R"(,"done":true,"done_reason":"stop","eval_count":3})" +
                                  '\n';
        for (string_view stream : {"true", "false"}) {
            auto request =
                parse_chat(R"({"model":"m","prompt":"x","format":{"type":"object"},"stream":)" +
                               std::string(stream) + '}',
                           Endpoint::ollama_generate);
            ASSERT_TRUE(request && read_format(*request, true));
            ASSERT_TRUE(request->format);
            const Dialect& spoken = dialect(*request, kTarget);
            if (!request->stream) {
                EXPECT_EQ(spoken
                              .answer(*request, kTarget,
                                      {.status = 200, .headers = headers, .body = reply}, {})
                              .has_value(),
                          fits);
                continue;
            }
            auto decoder = spoken.stream(*request, kTarget, {});
            std::string out;
            auto failure = decoder->feed(reply, out);
            EXPECT_EQ(failure.has_value(), !fits);
            EXPECT_EQ(decoder->done(), fits);
        }
    }
}

TEST(OllamaClient, ALineIsALineHoweverArgumentsWereWritten) {
    auto request = parse_chat(R"({"model":"m","messages":[]})", Endpoint::ollama_chat);
    ASSERT_TRUE(request);
    auto writer = OllamaClient(OllamaClient::Route::chat).writer(*request, "m", {});
    writer->tool_call("c", "f");
    writer->arguments(0, "{\r\n  \"a\": 1\n}");
    writer->finish("tool_calls", {}, {});
    std::string out;
    writer->drain(out);
    EXPECT_EQ(std::ranges::count(out, '\n'), 2) << out;
    EXPECT_EQ(std::ranges::count(out, '\r'), 0) << out;
}

}  // namespace
}  // namespace llm
