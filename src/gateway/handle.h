#pragma once

#include "gateway/session.h"

namespace gateway {

/// The request path of a chat in any client's protocol: authenticate → read → decide → attempt →
/// relay → settle. The order of the path is this function and serve().
net::Task<> handle_chat(Lane& lane, net::Exchange& exchange, llm::Endpoint endpoint);

/// What a parsed request asks of a target.
route::Ask ask_of(const llm::ChatRequest& request);

/// A body that could not be read or parsed, as the client is told.
ClientError unreadable(const base::Error& error);

}  // namespace gateway
