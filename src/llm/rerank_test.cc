#include "llm/rerank.h"

#include "llm/usage_json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace llm;
using base::Provider;

namespace {

constexpr base::WallTime kNow{std::chrono::hours(500'000)};
const std::string kRequest =
    R"({"model":"m","query":"q","documents":["a",{"text":"b\"","x":1},"c"]})";

RerankRequest parsed(const std::string& body) {
    auto request = parse_rerank(body);
    EXPECT_TRUE(request) << body << ": " << (request ? "" : request.error().detail);
    return request ? std::move(*request) : RerankRequest();
}

Upstream at(Provider provider) {
    Upstream upstream;
    upstream.provider = provider;
    upstream.model = "its-model";
    return upstream;
}

std::string body_of(const std::string& request, Provider provider) {
    auto made = rerank_call(parsed(request), at(provider));
    return made ? made->path + " " + made->body : made.error().detail;
}

std::expected<std::string, Failure> answered(const std::string& request, const std::string& reply,
                                             Provider provider = Provider::cohere) {
    const RerankRequest asked = parsed(request);
    auto ranking = read_ranking(asked, at(provider), reply, kNow);
    if (!ranking) return std::unexpected(ranking.error());
    return rerank_answer(asked, "alias", "req_1", *ranking);
}

const std::string kReply =
    R"({"id":"r1","results":[{"index":2,"relevance_score":0.25},{"index":0,"relevance_score":0.9},)"
    R"({"index":1,"relevance_score":0.5}],"meta":{"billed_units":{"search_units":1}}})";

}  // namespace

TEST(Rerank, NamesWhatIsWrongWithARequest) {
    const std::pair<std::string, std::string> cases[] = {
        {"", "send a JSON object with `model`, `query` and `documents`"},
        {R"({"query":"q","documents":["a"]})", "`model` is missing"},
        {R"({"model":"m","documents":["a"]})", "`query` is missing"},
        {R"({"model":"m","query":7,"documents":["a"]})", "`query` must be a string, not a number"},
        {R"({"model":"m","query":"","documents":["a"]})", "`query` is empty"},
        {R"({"model":"m","query":"q"})", "`documents` is missing"},
        {R"({"model":"m","query":"q","documents":"a"})", "must be an array of texts"},
        {R"({"model":"m","query":"q","documents":[]})", "`documents` is empty"},
        {R"({"model":"m","query":"q","documents":["a",1]})", "`documents[1]` must be a string or"},
        {R"({"model":"m","query":"q","documents":[{"title":"a"}]})", "an object without it"},
        {R"({"model":"m","query":"q","documents":["a"],"top_n":0})", "`top_n` must be a whole"},
        {R"({"model":"m","query":"q","documents":["a"],"return_documents":1})",
         "`return_documents` must be true or false"},
    };
    for (const auto& [body, part] : cases) {
        auto request = parse_rerank(body);
        ASSERT_FALSE(request) << body;
        EXPECT_NE(request.error().detail.find(part), std::string::npos) << request.error().detail;
    }
}

TEST(Rerank, IsAskedInEachProvidersWay) {
    EXPECT_EQ(body_of(kRequest, Provider::cohere),
              R"(/v2/rerank {"model":"its-model","query":"q","documents":["a","b\"","c"]})");
    EXPECT_EQ(body_of(R"({"model":"m","query":"q","documents":["a","b"],"top_n":9,)"
                      R"("return_documents":true,"max_tokens_per_doc":5,"rank_fields":["x"]})",
                      Provider::cohere),
              R"(/v2/rerank {"model":"its-model","query":"q","documents":["a","b"],"top_n":2,)"
              R"("max_tokens_per_doc":5})");
    EXPECT_EQ(body_of(R"({"model":"m","query":"q","documents":["a"],"top_n":1,"x":1})",
                      Provider::openai_compatible),
              R"(/rerank {"model":"its-model","query":"q","documents":["a"],"top_n":1,"x":1})");
    EXPECT_EQ(body_of(kRequest, Provider::ollama), "ollama ranks no documents");
}

TEST(Rerank, AnswersFromTheMostRelevantDown) {
    EXPECT_EQ(answered(kRequest, kReply).value(),
              R"({"id":"r1","model":"alias","results":[{"index":0,"relevance_score":0.9},)"
              R"({"index":1,"relevance_score":0.5},{"index":2,"relevance_score":0.25}],)"
              R"("meta":{"billed_units":{"search_units":1}}})");
}

TEST(Rerank, KeepsToTopNAndEchoesDocuments) {
    EXPECT_EQ(answered(R"({"model":"m","query":"q","documents":["a",{"text":"b\""},"c"],)"
                       R"("top_n":2,"return_documents":true})",
                       R"({"model":"x","usage":{"total_tokens":42},"results":[)"
                       R"({"index":1,"relevance_score":0.5,"document":{"text":"other"}},)"
                       R"({"index":2,"relevance_score":-0.2},{"index":0,"score":3}]})",
                       Provider::openai_compatible)
                  .value(),
              R"({"id":"req_1","model":"alias","results":[{"index":0,"relevance_score":3,)"
              R"("document":{"text":"a"}},{"index":1,"relevance_score":0.5,)"
              R"("document":{"text":"b\""}}],"meta":{"billed_units":{"search_units":1}},)"
              R"("usage":{"total_tokens":42}})");
}

TEST(Rerank, DoesNotBelieveEverything) {
    const std::string bodies[] = {
        "",
        "[]",
        "{}",
        R"({"results":[]})",
        R"({"results":[{"index":3,"relevance_score":1}]})",
        R"({"results":[{"index":-1,"relevance_score":1}]})",
        R"({"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]})",
        R"({"results":[{"index":0,"relevance_score":null}]})",
        R"({"results":[{"index":0}]})",
        R"({"results":{"index":0}})"};
    for (const std::string& body : bodies) {
        const auto answer = answered(kRequest, body);
        ASSERT_FALSE(answer) << body;
        EXPECT_EQ(answer.error().outcome, Outcome::malformed) << body;
    }
    for (std::size_t cut = 0; cut < kReply.size(); ++cut)
        EXPECT_FALSE(answered(kRequest, kReply.substr(0, cut))) << cut;
}

TEST(Rerank, TokensAreEstimatedWhereNobodyStatesThem) {
    const RerankRequest asked = parsed(kRequest);
    const auto silent = read_ranking(asked, at(Provider::cohere), kReply, kNow);
    ASSERT_TRUE(silent);
    EXPECT_TRUE(silent->usage.estimated);
    EXPECT_FALSE(silent->usage.known);
    EXPECT_EQ(silent->usage.prompt, estimated_tokens(asked.bytes));
    EXPECT_GT(silent->usage.prompt, 0u);
    const auto stated = read_ranking(
        asked, at(Provider::openai_compatible),
        R"({"usage":{"total_tokens":42},"results":[{"index":0,"relevance_score":1}]})", kNow);
    ASSERT_TRUE(stated);
    EXPECT_EQ(stated->usage.prompt, 42u);
    EXPECT_TRUE(stated->usage.known);
    EXPECT_FALSE(stated->usage.estimated);
}
