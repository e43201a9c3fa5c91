// Requests for vectors and rankings, and what upstreams answer to them, are read without harm.

#include "check.h"

#include "llm/embeddings.h"
#include "llm/rerank.h"

#include <cstdint>

namespace {

void vectors(std::string_view text, const llm::Upstream& upstream) {
    auto asked =
        llm::parse_embeddings(R"({"model":"m","input":["a","b"]})", llm::EmbeddingClient::openai);
    auto read = llm::read_vectors(*asked, upstream, {0, 2}, text, {});
    if (read) FUZZ_CHECK(read->vectors.size() == 2 && read->dimensions > 0);
    auto request = llm::parse_embeddings(std::string(text), llm::EmbeddingClient::openai);
    if (!request) return;
    std::size_t next = 0;
    for (const llm::Batch& batch : llm::batches(*request, upstream.provider)) {
        FUZZ_CHECK(batch.begin == next && batch.size() > 0);
        next = batch.end;
        (void)llm::embedding_call(*request, upstream, batch);
    }
    FUZZ_CHECK(next == request->inputs.size());
}

void ranking(std::string_view text, const llm::Upstream& upstream) {
    auto asked = llm::parse_rerank(R"({"model":"m","query":"q","documents":["a","b"]})");
    auto read = llm::read_ranking(*asked, upstream, text, {});
    if (read)
        for (const llm::Ranking::Place& place : read->places) FUZZ_CHECK(place.index < 2);
    if (auto request = llm::parse_rerank(std::string(text)))
        (void)llm::rerank_call(*request, upstream);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (int i = 0; i <= static_cast<int>(base::Provider::openai_compatible); ++i) {
        llm::Upstream upstream;
        upstream.provider = static_cast<base::Provider>(i);
        vectors(text, upstream);
        ranking(text, upstream);
    }
    return 0;
}
