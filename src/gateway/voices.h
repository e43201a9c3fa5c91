#pragma once

#include "base/clock.h"
#include "gateway/gateway.h"
#include "net/http_server.h"

#include <string>

namespace gateway {

/// GET /v1/audio/voices: the voices of every speech target that can be asked, by alias. Services
/// of ours are asked and remembered for a minute; one that does not answer at once is left out.
/// `?model=ALIAS` narrows it.
net::Task<> list_voices(Lane& lane, net::Exchange& exchange);

}  // namespace gateway
