#pragma once

#include "gateway/gateway.h"
#include "net/http_server.h"

namespace admin {

/// Every path that freeway answers, in one table; each also without `/v1`. The
/// parsed path alone decides: no decoding, no folding of slashes or dots.
net::Task<> answer(gateway::Lane& lane, net::Exchange& exchange);

}  // namespace admin
