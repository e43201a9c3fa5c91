#include "llm/chunks.h"
#include "llm/dialect.h"
#include "llm/json.h"
#include "llm/upstream_dialect.h"

#include <gtest/gtest.h>

#include <sstream>

namespace llm {
namespace {

using base::Provider;

struct Decoded {
    std::string out;
    std::optional<Failure> failure;
    bool committed = false;
    bool done = false;
    Usage usage;
    std::size_t committed_at = 0;  ///< bytes of `out` when content was first seen
};

Decoded run(const Upstream& upstream, const ChatRequest& request, std::string_view text,
            std::size_t step) {
    std::unique_ptr<StreamDecoder> decoder =
        dialect(request.endpoint, upstream).stream(request, upstream, base::WallTime());
    Decoded result;
    for (std::size_t at = 0; at < text.size() && !result.failure && !decoder->done(); at += step) {
        result.failure = decoder->feed(text.substr(at, step), result.out);
        if (decoder->committed() && result.committed_at == 0)
            result.committed_at = result.out.size();
    }
    if (!result.failure) result.failure = decoder->finish(result.out);
    result.committed = decoder->committed();
    result.done = decoder->done();
    result.usage = decoder->usage();
    return result;
}

class OpenAiStream : public testing::Test {
protected:
    /// Decodes at every split of the bytes and demands the same each time.
    Decoded decode(std::string_view text) {
        Decoded whole = run(upstream, request, text, text.size() + 1);
        for (std::size_t step = 1; step < text.size(); step = step < 64 ? step + 1 : step * 2) {
            Decoded cut = run(upstream, request, text, step);
            EXPECT_EQ(cut.out, whole.out) << "cut by " << step;
            EXPECT_EQ(cut.failure.has_value(), whole.failure.has_value());
            EXPECT_EQ(cut.done, whole.done);
        }
        for (std::size_t at = 1; at < text.size(); ++at) {
            std::unique_ptr<StreamDecoder> decoder =
                dialect(request.endpoint, upstream).stream(request, upstream, base::WallTime());
            std::string out;
            std::optional<Failure> failure = decoder->feed(text.substr(0, at), out);
            if (!failure) failure = decoder->feed(text.substr(at), out);
            if (!failure) failure = decoder->finish(out);
            EXPECT_EQ(out, whole.out) << "split at " << at;
        }
        return whole;
    }

    void asks_usage() { request.include_usage = true; }

    ChatRequest request =
        *parse_chat(R"({"model":"x","messages":[{"role":"user","content":"hello"}],"stream":true})",
                    Endpoint::chat);
    Upstream upstream{.provider = Provider::openai, .alias = "my-alias", .model = "gpt"};
};

std::string chunk(std::string_view model, std::string_view rest) {
    return "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":5,\"model\":\"" +
           std::string(model) + "\"," + std::string(rest) + "}\n\n";
}
const std::string kRole =
    R"("choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}])";
const std::string kText =
    R"("choices":[{"index":0,"delta":{"content":"grüß \"model\""},"finish_reason":null}])";
const std::string kStop = R"("choices":[{"index":0,"delta":{},"finish_reason":"stop"}])";
const std::string kUsage =
    R"("choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})";
const std::string kDone = "data: [DONE]\n\n";

TEST_F(OpenAiStream, PassesBytesWithTheAlias) {
    Decoded r = decode(chunk("gpt", kRole) + chunk("gpt", kText) + chunk("gpt", kStop) + kDone);
    EXPECT_FALSE(r.failure);
    EXPECT_EQ(r.out, chunk("my-alias", kRole) + chunk("my-alias", kText) +
                         chunk("my-alias", kStop) + kDone);
    EXPECT_TRUE(r.done && r.committed && r.usage.estimated);
    EXPECT_EQ(r.usage.completion, 4u);
}

TEST_F(OpenAiStream, CommitsAtContentNotAtTheRole) {
    Decoded r = run(upstream, request,
                    chunk("gpt", kRole) + chunk("gpt", kText) + chunk("gpt", kStop) + kDone, 1);
    EXPECT_EQ(r.committed_at, (chunk("my-alias", kRole) + chunk("my-alias", kText)).size());
    for (std::string delta : {R"({"reasoning":"r"})", R"({"reasoning_content":"r"})",
                              R"({"refusal":"r"})", R"({"tool_calls":[{"index":0,"id":"t"}]})"}) {
        Decoded other = decode(chunk("gpt", R"("choices":[{"index":0,"delta":)" + delta +
                                                R"(,"finish_reason":null}])") +
                               chunk("gpt", kStop) + kDone);
        EXPECT_TRUE(other.committed) << delta;
        EXPECT_FALSE(other.failure);
    }
}

TEST_F(OpenAiStream, UsageChunkIsShownOnlyToWhoAsked) {
    std::string usage = chunk("gpt", kUsage.substr(0, kUsage.size() - 1));
    std::string text = chunk("gpt", kText) + chunk("gpt", kStop) + usage + kDone;
    Decoded silent = decode(text);
    EXPECT_EQ(silent.out, chunk("my-alias", kText) + chunk("my-alias", kStop) + kDone);
    EXPECT_EQ(silent.usage.prompt, 3u);
    EXPECT_TRUE(silent.usage.known);
    asks_usage();
    EXPECT_EQ(decode(text).out, chunk("my-alias", kText) + chunk("my-alias", kStop) +
                                    chunk("my-alias", kUsage.substr(0, kUsage.size() - 1)) + kDone);
}

TEST_F(OpenAiStream, NullUsageIsShownOnlyToWhoAsked) {
    const std::string null = R"(,"usage":null)";
    const std::string end = chunk("gpt", kStop) + kDone;
    const std::string shown_end = chunk("my-alias", kStop) + kDone;
    const std::string text = chunk("gpt", kText + null) + chunk("gpt", kStop + null) + kDone;
    EXPECT_EQ(decode(text).out, chunk("my-alias", kText) + shown_end);
    const std::string apart = R"( , "usage" : null )";
    EXPECT_EQ(decode(chunk("gpt", kText + apart) + end).out,
              chunk("my-alias", kText + "  ") + shown_end);
    EXPECT_EQ(decode(R"(data: {"usage":null,"model":"gpt",)" + kText + "}\n\n" + end).out,
              R"(data: {"model":"my-alias",)" + kText + "}\n\n" + shown_end);
    EXPECT_EQ(decode(R"(data: {"id":"c1","usage":null,"model":"gpt",)" + kText + "}\n\n" + end).out,
              R"(data: {"id":"c1","model":"my-alias",)" + kText + "}\n\n" + shown_end);
    EXPECT_EQ(decode(R"(data: {"usage":null,)" + kText + "}\n\n" + end).out,
              R"(data: {"model":"my-alias",)" + kText + "}\n\n" + shown_end);
    EXPECT_EQ(
        decode("data: {\"usage\":null}\n\n" + chunk("gpt", kText) + end).out,
        "data: {\"model\":\"my-alias\",\"usage\":null}\n\n" + chunk("my-alias", kText) + shown_end);
    asks_usage();
    EXPECT_TRUE(decode(text).out.starts_with(chunk("my-alias", kText + null)));
}

TEST_F(OpenAiStream, UsageInTheLastChunkBecomesAChunkOfItsOwn) {
    std::string stop =
        kStop + R"(,"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7})";
    EXPECT_EQ(decode(chunk("gpt", kText) + chunk("gpt", stop) + kDone).out,
              chunk("my-alias", kText) + chunk("my-alias", stop) + kDone);
    asks_usage();
    EXPECT_EQ(decode(chunk("gpt", kText) + chunk("gpt", stop) + kDone).out,
              chunk("my-alias", kText) + chunk("my-alias", kStop + R"(,"usage":null)") +
                  chunk("my-alias", kUsage.substr(0, kUsage.size() - 1)) + kDone);
}

TEST_F(OpenAiStream, MissingUsageIsEstimatedAndMarked) {
    asks_usage();
    Decoded r = decode(chunk("gpt", kText) + chunk("gpt", kStop) + kDone);
    EXPECT_NE(
        r.out.find(
            R"("choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"freeway_estimated":true}})"),
        std::string::npos)
        << r.out;
}

TEST_F(OpenAiStream, MissingDoneIsAdded) {
    Decoded r = decode(chunk("gpt", kText) + chunk("gpt", kStop));
    EXPECT_FALSE(r.failure);
    EXPECT_TRUE(r.out.ends_with(kDone));
    std::string no_blank = chunk("gpt", kText) + chunk("gpt", kStop);
    no_blank.resize(no_blank.size() - 2);
    Decoded bare = decode(no_blank);
    EXPECT_EQ(bare.out, chunk("my-alias", kText) + chunk("my-alias", kStop) + kDone);
}

TEST_F(OpenAiStream, S3EndWithoutFinishReasonIsAnError) {
    for (std::string text :
         {chunk("gpt", kText), chunk("gpt", kText) + kDone, std::string(), kDone}) {
        Decoded r = decode(text);
        ASSERT_TRUE(r.failure) << text;
        EXPECT_EQ(r.failure->outcome, Outcome::malformed);
        EXPECT_FALSE(r.done);
    }
}

TEST_F(OpenAiStream, G13EmptyStreams) {
    Decoded r = decode(chunk("gpt", kRole) + chunk("gpt", kStop) + kDone);
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->outcome, Outcome::malformed);
    EXPECT_FALSE(r.committed);
    Decoded length = decode(
        chunk("gpt", kRole) +
        chunk("gpt", R"("choices":[{"index":0,"delta":{},"finish_reason":"length"}])") + kDone);
    EXPECT_FALSE(length.failure);
    EXPECT_TRUE(length.committed && length.done);
    Decoded filtered = decode(
        chunk("gpt", R"("choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}])") +
        kDone);
    ASSERT_TRUE(filtered.failure);
    EXPECT_EQ(filtered.failure->outcome, Outcome::content_filtered);
}

TEST_F(OpenAiStream, MalformedChunk) {
    Decoded r =
        decode(chunk("gpt", kText) + "data: {\"id\":\"c1\",\"choi\n\n" + chunk("gpt", kStop));
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->outcome, Outcome::malformed);
    EXPECT_EQ(r.out, chunk("my-alias", kText));
}

TEST_F(OpenAiStream, ErrorsInsideTheStream) {
    upstream.provider = Provider::openrouter;
    Decoded r = decode(
        R"(data: {"id":"g","model":"v/m","error":{"code":429,"message":"Rate limit exceeded: free-models-per-day"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})"
        "\n\n");
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->outcome, Outcome::exhausted);
    EXPECT_EQ(r.failure->pool, "openrouter-free");
    EXPECT_EQ(r.out, "");
    upstream.provider = Provider::groq;
    r = decode(
        "event: error\ndata: {\"error\":{\"message\":\"Failed to call a "
        "function\",\"type\":\"invalid_request_error\",\"code\":\"tool_use_failed\",\"failed_"
        "generation\":\"x\",\"status_code\":400}}\n\n");
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->outcome, Outcome::malformed);
    r = decode(chunk("m", kText) +
               chunk("m", R"("choices":[],"x_groq":{"id":"r","error":"stopped early"})"));
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->detail, "stopped early");
    upstream.provider = Provider::cerebras;
    r = decode(
        R"(data: {"error":{"message":"oops","type":"server_error","param":"","code":"","id":""},"status_code":500})"
        "\n\n");
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->outcome, Outcome::transient);
}

TEST_F(OpenAiStream, CommentsAreForwardedOnceCommitted) {
    upstream.provider = Provider::openrouter;
    std::string note = ": OPENROUTER PROCESSING\n\n";
    Decoded r = decode(note + chunk("m", kRole) + note + chunk("m", kText) + note +
                       chunk("m", kStop) + kDone);
    EXPECT_EQ(r.out, chunk("my-alias", kRole) + chunk("my-alias", kText) + note +
                         chunk("my-alias", kStop) + kDone);
}

TEST_F(OpenAiStream, GroqUsageStandsInItsOwnObject) {
    upstream.provider = Provider::groq;
    std::string stop =
        kStop +
        R"(,"x_groq":{"id":"req_1","usage":{"queue_time":0.1,"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}})";
    Decoded r = decode(chunk("m", kText) + chunk("m", stop) + kDone);
    EXPECT_EQ(r.usage.prompt, 8u);
    EXPECT_EQ(r.out, chunk("my-alias", kText) + chunk("my-alias", stop) + kDone);
}

TEST_F(OpenAiStream, MistralPartsBecomeTextAndReasoning) {
    upstream.provider = Provider::mistral;
    Decoded r = decode(
        chunk(
            "m",
            R"("choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]},"finish_reason":null}])") +
        chunk(
            "m",
            R"("choices":[{"index":0,"delta":{"content":[{"type":"text","text":"a\"b"},{"type":"reference","reference_ids":[1]}]},"finish_reason":null}])") +
        chunk("m",
              R"("choices":[{"index":0,"delta":{"content":"c"},"finish_reason":"model_length"}])") +
        kDone);
    EXPECT_FALSE(r.failure);
    EXPECT_EQ(
        r.out,
        chunk(
            "my-alias",
            R"("choices":[{"index":0,"delta":{"content":"","reasoning_content":"hm"},"finish_reason":null}])") +
            chunk("my-alias",
                  R"("choices":[{"index":0,"delta":{"content":"a\"b"},"finish_reason":null}])") +
            chunk("my-alias",
                  R"("choices":[{"index":0,"delta":{"content":"c"},"finish_reason":"length"}])") +
            kDone);
}

TEST_F(OpenAiStream, CrLfAndSeveralDataLinesAndNoModel) {
    std::string text =
        "data: {\"model\":\"m\",\r\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n"
        "data:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: "
        "[DONE]\r\n\r\n";
    EXPECT_EQ(decode(text).out,
              "data: {\"model\":\"my-alias\", \"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
              "data:{\"model\":\"my-alias\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]"
              "}\r\n\r\n" +
                  kDone);
}

TEST_F(OpenAiStream, OneBodyInsteadOfAStream) {
    Decoded r = decode(
        R"({"id":"c1","object":"chat.completion","created":5,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"hi","tool_calls":[{"id":"t","type":"function"}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})");
    EXPECT_FALSE(r.failure);
    EXPECT_EQ(
        r.out,
        chunk(
            "my-alias",
            R"("choices":[{"index":0,"delta":{"role":"assistant","content":"hi","tool_calls":[{"index":0,"id":"t","type":"function"}]},"finish_reason":null}])") +
            chunk("my-alias",
                  R"("choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}])") +
            kDone);
    Decoded error =
        decode(R"({"error":{"message":"Rate limit","type":"rate_limit_error","code":429}})");
    ASSERT_TRUE(error.failure);
    EXPECT_EQ(error.failure->outcome, Outcome::rate_limited);
}

TEST_F(OpenAiStream, AgentErrorsAsText) {
    upstream.provider = Provider::openai_compatible;
    auto says = [&](std::string text) {
        return decode(chunk("m", R"("choices":[{"index":0,"delta":{"content":")" + text +
                                     R"("},"finish_reason":null}])") +
                      chunk("m", kStop) + kDone);
    };
    EXPECT_EQ(says("[error: boom]").failure->outcome, Outcome::malformed);
    EXPECT_EQ(
        says(
            R"(API Error: 401 {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"OAuth token has expired\"}})")
            .failure->outcome,
        Outcome::unauthorized);
    EXPECT_EQ(says("Claude AI usage limit reached|1779792000").failure->outcome,
              Outcome::exhausted);
    EXPECT_FALSE(says("The header authentication_error means …").failure);
}

TEST_F(OpenAiStream, CompletionsOverAChat) {
    request = *parse_chat(R"({"model":"x","prompt":"once","stream":true})", Endpoint::completion);
    Decoded r = decode(chunk("gpt", kRole) + chunk("gpt", kText) + chunk("gpt", kStop) + kDone);
    EXPECT_EQ(
        r.out,
        R"(data: {"id":"c1","object":"text_completion","created":5,"model":"my-alias","choices":[{"index":0,"text":"grüß \"model\"","logprobs":null,"finish_reason":null}]})"
        "\n\n"
        R"(data: {"id":"c1","object":"text_completion","created":5,"model":"my-alias","choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}]})"
        "\n\n" +
            kDone);
    EXPECT_TRUE(r.done && r.committed);
}

std::string calls(std::string_view list) {
    return chunk("m", R"("choices":[{"index":0,"delta":{"tool_calls":[)" + std::string(list) +
                          R"(]},"finish_reason":null}])");
}

TEST_F(OpenAiStream, EmptyObjectsStayJson) {
    Decoded r = decode("data: {}\n\ndata: { }\n\n" + calls("{}") + calls("{ }") +
                       chunk("m", kText) + chunk("m", kStop) + kDone);
    EXPECT_TRUE(r.done);
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line == "data: [DONE]") continue;
        json::Cursor in(std::string_view(line).substr(6));
        EXPECT_TRUE(in.skip() && in.complete()) << line;
    }
}

TEST_F(OpenAiStream, UsageOfACompletionIsAChunkOfOne) {
    request = *parse_chat(
        R"({"model":"x","prompt":"once","stream":true,"stream_options":{"include_usage":true}})",
        Endpoint::completion);
    const std::string text =
        R"(data: {"id":"c1","object":"text_completion","created":5,"model":"m","choices":[{"index":0,"text":"upon","finish_reason":"stop"}]})"
        "\n\n";
    Decoded r = decode(text + kDone);
    EXPECT_EQ(r.out.find("chat.completion.chunk"), r.out.npos) << r.out;
    EXPECT_NE(r.out.find("freeway_estimated"), r.out.npos) << r.out;
}

TEST_F(OpenAiStream, CallsThatShareAnIndexAreNumbered) {
    Decoded r = decode(
        calls(
            R"({"index":0,"id":"A","function":{"name":"f","arguments":"{"}},{"index":0,"id":"B","function":{"name":"g","arguments":""}})") +
        calls(R"({"index":0,"function":{"arguments":"b"}})") +
        calls(R"({"index":0,"id":"A","function":{"arguments":"}"}})") +
        calls(R"({"index":1,"id":"C","function":{"name":"h","arguments":"{}"}})") +
        chunk("m", kStop) + kDone);
    for (std::string_view call : {R"({"index":0,"id":"A","function":{"name":"f")",
                                  R"({"index":1,"id":"B","function":{"name":"g")",
                                  R"({"index":1,"function":{"arguments":"b"}})",
                                  R"({"index":0,"id":"A","function":{"arguments":"}"}})",
                                  R"({"index":2,"id":"C","function":{"name":"h")"})
        EXPECT_NE(r.out.find(call), r.out.npos) << call << '\n' << r.out;
}

TEST_F(OpenAiStream, ACallWhoseIdComesLaterIsOneCall) {
    Collector seen;
    auto reader = upstream_dialect(Protocol::openai).stream(request, upstream, {});
    EXPECT_FALSE(reader->feed(calls(R"({"index":0,"function":{"name":"f","arguments":""}})") +
                                  calls(R"({"index":0,"id":"A","function":{"arguments":"{}"}})") +
                                  chunk("m", kStop) + kDone,
                              seen));
    ASSERT_EQ(seen.answer().parts.size(), 1u);
    EXPECT_EQ(seen.answer().parts.front().name, "f");
    EXPECT_EQ(seen.answer().parts.front().json, "{}");
}

TEST_F(OpenAiStream, AnAnswerOnManyLinesStandsOnOne) {
    Decoded r = decode(
        "{\"id\":\"c1\",\"created\":5,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\n"
        "  \"role\":\"assistant\",\r\n  \"content\":\"hi\"\n},\"finish_reason\":\"stop\"}]}");
    ASSERT_FALSE(r.failure);
    EXPECT_NE(r.out.find(R"("content":"hi")"), r.out.npos) << r.out;
    EXPECT_EQ(r.out.find('\r'), r.out.npos);
    for (std::size_t at = r.out.find('\n'); at + 1 < r.out.size(); at = r.out.find('\n', at + 1))
        EXPECT_TRUE(r.out[at + 1] == '\n' || r.out.compare(at + 1, 6, "data: ") == 0) << r.out;
}

TEST_F(OpenAiStream, NumbersAreNoContent) {
    Decoded r =
        decode(chunk("m", R"("choices":[{"index":0,"delta":{"content":5},"finish_reason":null}])") +
               chunk("m", kStop) + kDone);
    ASSERT_TRUE(r.failure);
    EXPECT_FALSE(r.committed);
}

}  // namespace
}  // namespace llm
