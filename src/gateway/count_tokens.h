#pragma once

#include "gateway/gateway.h"
#include "net/http_server.h"

namespace gateway {

/// POST /v1/messages/count_tokens: {"input_tokens": N, "estimated": true}. Nobody is asked and
/// nothing counted: N comes from the size of the request, as for limits.
net::Task<> handle_count_tokens(Lane& lane, net::Exchange& exchange);

}  // namespace gateway
