#pragma once

#include "gateway/session.h"
#include "llm/embeddings.h"
#include "llm/rerank.h"

namespace gateway {

/// The request path of a chat in any client's protocol: authenticate → read → decide → attempt →
/// relay → settle. The order of the path is this function and serve().
net::Task<> handle_chat(Lane& lane, net::Exchange& exchange, llm::Endpoint endpoint);

/// The same path for vectors and for rankings.
net::Task<> handle_embeddings(Lane& lane, net::Exchange& exchange, llm::EmbeddingClient client);
net::Task<> handle_rerank(Lane& lane, net::Exchange& exchange);

/// What a parsed request asks of a target.
route::Ask ask_of(const llm::ChatRequest& request);
route::Ask ask_of(const llm::EmbeddingRequest& request);
route::Ask ask_of(const llm::RerankRequest& request);

/// A body that could not be read or parsed, as the client is told.
ClientError unreadable(const base::Error& error);

}  // namespace gateway
