#include "llm/embeddings.h"

#include "llm/float_vector.h"
#include "llm/json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace llm;
using base::Provider;

namespace {

constexpr base::WallTime kNow{std::chrono::hours(500'000)};
/// 1.0, -2.5 and 0.1 as OpenAI's base64.
const std::string kBase64 = R"("AACAPwAAIMDNzMw9")";

EmbeddingRequest parsed(const std::string& body, EmbeddingClient client = EmbeddingClient::openai) {
    auto request = parse_embeddings(body, client);
    EXPECT_TRUE(request) << body << ": " << (request ? "" : request.error().detail);
    return request ? std::move(*request) : EmbeddingRequest();
}

std::string refusal(const std::string& body, EmbeddingClient client = EmbeddingClient::openai) {
    auto request = parse_embeddings(body, client);
    return request ? "no refusal" : request.error().detail;
}

Upstream at(Provider provider) {
    Upstream upstream;
    upstream.provider = provider;
    upstream.alias = "alias";
    upstream.model = "its-model";
    return upstream;
}

Call call(const std::string& body, const Upstream& upstream,
          EmbeddingClient client = EmbeddingClient::openai) {
    const EmbeddingRequest request = parsed(body, client);
    auto made = embedding_call(request, upstream, {0, request.inputs.size()});
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return made ? std::move(*made) : Call();
}

std::string of_texts(std::size_t count, const std::string& more = "", std::size_t bytes = 1) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i)
        list += (i == 0 ? "\"" : ",\"") + std::string(bytes, 'x') + "\"";
    return R"({"model":"m","input":[)" + list + "]" + more + "}";
}

std::expected<Vectors, Failure> read(const std::string& request, Provider provider,
                                     const std::string& body) {
    const EmbeddingRequest asked = parsed(request);
    return read_vectors(asked, at(provider), {0, asked.inputs.size()}, body, kNow);
}

}  // namespace

TEST(Embeddings, TakeOneTextSeveralTokensAndSeveralListsOfThem) {
    EXPECT_EQ(parsed(R"({"model":"m","input":"hello"})").inputs.size(), 1u);
    EXPECT_EQ(parsed(R"({"model":"m","input":["a","b"]})").inputs.size(), 2u);
    const EmbeddingRequest tokens = parsed(R"({"model":"m","input":[1,2,3]})");
    EXPECT_EQ(tokens.inputs.size(), 1u);
    EXPECT_TRUE(tokens.tokens);
    EXPECT_EQ(tokens.input_bytes, 3 * kTokenBytes);
    EXPECT_EQ(parsed(R"({"model":"m","input":[[1,2],[3]]})").inputs.size(), 2u);
    EXPECT_TRUE(parsed(R"({"model":"m","input":"a","encoding_format":"base64"})").base64);
    EXPECT_FALSE(parsed(R"({"model":"m","input":"a","encoding_format":null})").base64);
}

TEST(Embeddings, NameWhatIsWrongWithARequest) {
    const std::pair<std::string, std::string> cases[] = {
        {"", "the body is empty; send a JSON object with `model` and `input`"},
        {"[]", "must be a JSON object, not an array"},
        {R"({"model":"m")", "not valid JSON"},
        {R"({"input":"a"})", "`model` is missing"},
        {R"({"model":1,"input":"a"})", "`model` must be a string, not a number"},
        {R"({"model":"m"})", "`input` is missing; send a string, an array of strings"},
        {R"({"model":"m","input":null})", "`input` is missing"},
        {R"({"model":"m","input":{}})", "not an object"},
        {R"({"model":"m","input":7})", "not a number"},
        {R"({"model":"m","input":""})", "`input` is empty"},
        {R"({"model":"m","input":[]})", "`input` is empty"},
        {R"({"model":"m","input":["a",""]})", "`input[1]` is empty; leave it out"},
        {R"({"model":"m","input":["a",1]})", "`input[1]` is a number, but those before"},
        {R"({"model":"m","input":[1,"a"]})", "`input[1]` must be a token id"},
        {R"({"model":"m","input":[1,-2]})", "`input[1]` must be a token id"},
        {R"({"model":"m","input":[[1],[]]})", "`input[1]` is empty"},
        {R"({"model":"m","input":[{}]})", "`input[0]` must be a string, not an object"},
        {R"({"model":"m","input":["a",null]})", "`input[1]` is null"},
        {R"({"model":"m","input":"a","input":"b"})", "`input` is given twice"},
        {R"({"model":"m","input":"a","encoding_format":"int8"})", "\"float\" or \"base64\""},
        {R"({"model":"m","input":"a","dimensions":0})", "`dimensions` must be a whole number"},
        {R"({"model":"m","input":"a","dimensions":"9"})", "`dimensions` must be a whole number"},
        {of_texts(kMostInputs + 1), "more than 2048 inputs"},
    };
    for (const auto& [body, part] : cases)
        EXPECT_NE(refusal(body).find(part), std::string::npos) << body << ": " << refusal(body);
    EXPECT_NE(refusal(R"({"model":"m","input":[1]})", EmbeddingClient::ollama_embed)
                  .find("`input[0]` must be a string"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"model":"m","prompt":["a"]})", EmbeddingClient::ollama_embeddings)
                  .find("`prompt` must be a string"),
              std::string::npos);
}

TEST(Embeddings, PassToOpenAiAsTheClientSentThem) {
    const Call sent = call(
        R"({"model":"m","input":"a\u00e9","user":"u","dimensions":256,"encoding_format":"base64"})",
        at(Provider::openai));
    EXPECT_EQ(sent.path, "/embeddings");
    EXPECT_EQ(sent.body, R"({"model":"its-model","input":"a\u00e9","dimensions":256,)"
                         R"("encoding_format":"base64","user":"u"})");
    EXPECT_TRUE(sent.changes.empty());
    EXPECT_EQ(call(R"({"model":"m","input":[[1,2],[3]],"input_type":"search_query"})",
                   at(Provider::openai))
                  .body,
              R"({"model":"its-model","input":[[1,2],[3]]})");
    EXPECT_EQ(call(R"({"model":"m","input":"a","encoding_format":"base64","x":1})",
                   at(Provider::openai_compatible))
                  .body,
              R"({"model":"its-model","input":"a","x":1})");
}

TEST(Embeddings, SpeakMistralsNames) {
    const Call sent =
        call(R"({"model":"m","input":["a"],"user":"u","dimensions":256,"encoding_format":"float"})",
             at(Provider::mistral));
    EXPECT_EQ(sent.body, R"({"model":"its-model","input":["a"],"output_dimension":256})");
    EXPECT_EQ(sent.changes, std::vector<std::string>{"removed user"});
}

TEST(Embeddings, BecomeCoheresEmbed) {
    const Call sent =
        call(R"({"model":"m","input":"a","user":"u","dimensions":512,"encoding_format":"base64"})",
             at(Provider::cohere));
    EXPECT_EQ(sent.path, "/v2/embed");
    EXPECT_EQ(sent.body, R"({"model":"its-model","input_type":"search_document","texts":["a"],)"
                         R"("embedding_types":["float"],"output_dimension":512})");
    EXPECT_EQ(sent.changes, std::vector<std::string>{"removed user"});
    EXPECT_NE(call(R"({"model":"m","input":"a","input_type":"search_query","truncate":"END"})",
                   at(Provider::cohere))
                  .body.find(R"("input_type":"search_query")"),
              std::string::npos);
}

TEST(Embeddings, BecomeOllamasEmbedWithWhatConfigurationAdds) {
    const std::vector<Extra> defaults{{"keep_alive", "\"5m\""}, {"num_ctx", "8192"}};
    Upstream upstream = at(Provider::ollama);
    upstream.defaults = defaults;
    EXPECT_EQ(
        call(R"({"model":"m","input":"a","dimensions":64,"encoding_format":"base64"})", upstream)
            .body,
        R"({"model":"its-model","input":["a"],"dimensions":64,"keep_alive":"5m",)"
        R"("options":{"num_ctx":8192}})");
    const Call own = call(
        R"({"model":"m","prompt":"a","options":{"num_ctx":1,"seed":3},"keep_alive":0,"truncate":false})",
        upstream, EmbeddingClient::ollama_embeddings);
    EXPECT_EQ(own.body, R"({"model":"its-model","input":["a"],"truncate":false,"keep_alive":"5m",)"
                        R"("options":{"num_ctx":8192,"seed":3}})")
        << "how the model is loaded is the alias's own";
    EXPECT_EQ(own.changes,
              (std::vector<std::string>{"removed options.num_ctx", "removed keep_alive"}));
}

TEST(Embeddings, MoveOnWhereATargetHasNoWord) {
    const auto unsupported = [](const std::string& body, Provider provider) {
        const EmbeddingRequest request = parsed(body);
        auto made = embedding_call(request, at(provider), {0, 1});
        return !made && made.error().kind == base::ErrorKind::unsupported;
    };
    const std::string tokens = R"({"model":"m","input":[1,2]})";
    for (Provider provider : {Provider::cohere, Provider::mistral, Provider::ollama})
        EXPECT_TRUE(unsupported(tokens, provider)) << base::name(provider);
    EXPECT_FALSE(unsupported(tokens, Provider::openai));
    EXPECT_TRUE(unsupported(R"({"model":"m","input":"a","dimensions":300})", Provider::cohere));
    EXPECT_TRUE(unsupported(R"({"model":"m","input":"a"})", Provider::anthropic));
}

TEST(Embeddings, ArePartedAsTheProviderTakesThem) {
    const auto sizes = [](const std::string& body, Provider provider) {
        std::vector<std::size_t> out;
        std::size_t next = 0;
        for (const Batch& batch : batches(parsed(body), provider)) {
            EXPECT_EQ(batch.begin, next);
            next = batch.end;
            out.push_back(batch.size());
        }
        return out;
    };
    using Sizes = std::vector<std::size_t>;
    EXPECT_EQ(sizes(of_texts(300), Provider::cohere), (Sizes{96, 96, 96, 12}));
    EXPECT_EQ(sizes(of_texts(96), Provider::cohere), Sizes{96});
    EXPECT_EQ(sizes(of_texts(2048), Provider::openai), Sizes{2048});
    EXPECT_EQ(sizes(of_texts(600), Provider::mistral), (Sizes{512, 88}));
    EXPECT_EQ(sizes(of_texts(5, "", 20'000), Provider::mistral), (Sizes{2, 2, 1}));
    EXPECT_EQ(sizes(of_texts(2, "", 100'000), Provider::mistral), (Sizes{1, 1}));
    EXPECT_EQ(sizes(R"({"model":"m","input":[1,2,3]})", Provider::openai), Sizes{1});
}

TEST(Embeddings, AreNeverPartedMoreOftenThanWasHeldFor) {
    constexpr std::size_t kCounts[] = {1, 2, 95, 96, 97, 300, 513, 2048};
    constexpr std::size_t kBytes[] = {1, 90, 94, 5'000, 30'000};
    for (const std::size_t count : kCounts)
        for (const std::size_t bytes : kBytes)
            for (Provider provider : {Provider::cohere, Provider::mistral, Provider::openai}) {
                if (count * bytes > 5'000'000) continue;
                const EmbeddingRequest request = parsed(of_texts(count, "", bytes));
                EXPECT_LE(batches(request, provider).size(),
                          most_batches(provider, count, request.input_bytes))
                    << count << " of " << bytes << " at " << base::name(provider);
            }
    EXPECT_EQ(most_batches(Provider::cohere, 300, 300), 4u);
    EXPECT_EQ(most_batches(Provider::openai, 2048, 100), 1u);
}

TEST(Embeddings, AreReadFromEveryProvider) {
    const std::string request = R"({"model":"m","input":["a","b"]})";
    const std::pair<Provider, std::string> answers[] = {
        {Provider::openai,
         R"({"object":"list","data":[{"object":"embedding","index":1,"embedding":[3,4]},)"
         R"({"object":"embedding","index":0,"embedding":[1,2]}],"usage":{"prompt_tokens":5,"total_tokens":5}})"},
        {Provider::openai_compatible,
         R"({"data":[{"embedding":[1,2]},{"embedding":[3,4]}],"usage":{"total_tokens":5}})"},
        {Provider::cohere, R"({"id":"x","embeddings":{"float":[[1,2],[3,4]]},"texts":["a","b"],)"
                           R"("meta":{"billed_units":{"input_tokens":5}}})"},
        {Provider::ollama, R"({"model":"m","embeddings":[[1,2],[3,4]],"prompt_eval_count":5})"}};
    for (const auto& [provider, body] : answers) {
        const auto vectors = read(request, provider, body);
        ASSERT_TRUE(vectors) << base::name(provider) << ": " << vectors.error().detail;
        EXPECT_EQ(vectors->vectors, (std::vector<std::string>{"[1,2]", "[3,4]"}));
        EXPECT_EQ(vectors->dimensions, 2u);
        EXPECT_EQ(vectors->usage.prompt, 5u);
        EXPECT_TRUE(vectors->usage.known);
        EXPECT_EQ(vectors->usage.inputs, 2);
    }
}

TEST(Embeddings, ThatCantBeTrustedAreMalformed) {
    const std::string request = R"({"model":"m","input":["a","b"]})";
    const auto data = [](const std::string& first, const std::string& second) {
        return R"({"data":[{"index":0,"embedding":)" + first + R"(},{"index":1,"embedding":)" +
               second + "}]}";
    };
    const std::string bodies[] = {
        "",
        "<html>",
        "{}",
        R"({"data":[]})",
        R"({"data":[{"index":0,"embedding":[1]}]})",
        data("[1]", "[]"),
        data("[1]", "[1,2]"),
        data("[1]", "[null]"),
        data("[1]", "[NaN]"),
        data("[1]", "[1e999]"),
        data("[1]", "\"\""),
        data("[1]", "\"AAD\""),
        data("[1]", R"("AADAfw==")"),  // NaN
        R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]})",
        R"({"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[2]}]})"};
    for (const std::string& body : bodies) {
        const auto vectors = read(request, Provider::openai, body);
        ASSERT_FALSE(vectors) << body;
        EXPECT_EQ(vectors.error().outcome, Outcome::malformed) << body;
    }
    const auto error =
        read(request, Provider::openai,
             R"({"error":{"message":"Rate limit reached","type":"requests","code":429}})");
    ASSERT_FALSE(error);
    EXPECT_EQ(error.error().outcome, Outcome::rate_limited);
}

TEST(Embeddings, OfAnotherSizeThanAskedForAreNotServed) {
    const auto vectors = read(R"({"model":"m","input":"a","dimensions":2})", Provider::openai,
                              R"({"data":[{"index":0,"embedding":[1,2,3]}]})");
    ASSERT_FALSE(vectors);
    EXPECT_EQ(vectors.error().outcome, Outcome::unsupported);
    EXPECT_EQ(vectors.error().parameter, "dimensions");
}

TEST(Embeddings, AreConvertedBothWays) {
    EXPECT_EQ(float_vector("[1, -2.5,0.1]", true)->json, kBase64);
    EXPECT_EQ(float_vector(kBase64, false)->json, "[1,-2.5,0.1]");
    EXPECT_EQ(float_vector("[1, -2.50]", false)->json, "[1, -2.50]");
    EXPECT_EQ(float_vector(kBase64, true)->json, kBase64);
    EXPECT_EQ(float_vector(kBase64, true)->length, 3u);
    for (const std::string text : {"", "1", "null", "{}", "[]", "[\"1\"]", "\"\"", "\"*\""})
        EXPECT_FALSE(float_vector(text, true)) << text;
}

TEST(Embeddings, AreAnsweredInTheClientsShape) {
    Vectors all;
    Vectors one{{"[1,2]"}, 2, {}};
    one.usage.prompt = 3;
    one.usage.known = true;
    EXPECT_FALSE(append(all, one));
    one.usage.estimated = true;
    EXPECT_FALSE(append(all, one));
    EXPECT_EQ(
        embedding_answer(parsed(R"({"model":"m","input":["a","b"]})"), "req_1", "al\"ias", all, {}),
        R"({"id":"req_1","object":"list","data":[{"object":"embedding","index":0,"embedding":[1,2]},)"
        R"({"object":"embedding","index":1,"embedding":[1,2]}],"model":"al\"ias",)"
        R"("usage":{"prompt_tokens":6,"total_tokens":6,"freeway_estimated":true}})");
    EXPECT_EQ(
        embedding_answer(parsed(R"({"model":"m","input":"a"})", EmbeddingClient::ollama_embed),
                         "req_1", "m", all, base::Duration(2)),
        R"({"model":"m","embeddings":[[1,2],[1,2]],"total_duration":2000000,)"
        R"("load_duration":0,"prompt_eval_count":6})");
    EXPECT_EQ(embedding_answer(
                  parsed(R"({"model":"m","prompt":"a"})", EmbeddingClient::ollama_embeddings),
                  "req_1", "m", one, {}),
              R"({"embedding":[1,2]})");
    EXPECT_TRUE(append(all, Vectors{{"[1]"}, 1, {}}));
}

TEST(Embeddings, CutAnywhereAreNoAnswer) {
    const std::string body =
        R"({"object":"list","data":[{"index":0,"embedding":[0.25,-1e-3]},)"
        R"({"index":1,"embedding":"AACAPwAAIMA="}],"usage":{"prompt_tokens":5}})";
    const std::string request = R"({"model":"m","input":["a","b"]})";
    EXPECT_TRUE(read(request, Provider::openai, body));
    for (std::size_t cut = 0; cut < body.size(); ++cut) {
        const auto vectors = read(request, Provider::openai, body.substr(0, cut));
        ASSERT_FALSE(vectors) << cut;
        EXPECT_EQ(vectors.error().outcome, Outcome::malformed) << cut;
        (void)parse_embeddings(body.substr(0, cut), EmbeddingClient::openai);
    }
}
