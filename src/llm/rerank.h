#pragma once

#include "llm/dialect.h"
#include "llm/request_body.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// A client's request to rank documents, in Cohere's or Jina's shape, parsed once.
struct RerankRequest {
    RequestBody body;
    std::string model;
    std::vector<Span> documents;  ///< their texts as JSON strings
    std::optional<std::uint64_t> top_n;
    bool return_documents = false;
    Chat wishes;  ///< in its parameters what is neither named above nor the query
    std::uint64_t bytes = 0;

    std::string_view query() const { return body.value("query"); }
};

/// Fails with bad_input and a text that names the member, what is wrong and the cure.
base::Result<RerankRequest> parse_rerank(std::string body);

/// `unsupported` for an upstream that ranks nothing, so that the chain moves on.
base::Result<Call> rerank_call(const RerankRequest& request, const Upstream& upstream);

/// The documents from the most to the least relevant, at most top_n of them.
struct Ranking {
    struct Place {
        std::size_t index = 0;
        double score = 0;
        std::string_view json{};  ///< the score as it stands in the body
    };
    std::string id;  ///< empty: the upstream gives none
    std::vector<Place> places;
    std::uint64_t search_units = 0;  ///< as stated, else as Cohere counts them
    Usage usage;
};

/// Reads a 2xx body, which outlives the ranking. No results, an index that is none of a document
/// or stands twice, a score that is no number: malformed.
std::expected<Ranking, Failure> read_ranking(const RerankRequest& request, const Upstream& upstream,
                                             std::string_view body, base::WallTime now);

/// The answer in a shape that serves Cohere's and Jina's callers alike.
std::string rerank_answer(const RerankRequest& request, std::string_view alias, std::string_view id,
                          const Ranking& ranking);

}  // namespace llm
