#pragma once

#include "gateway/call.h"
#include "llm/dialect.h"

namespace gateway {

/// Relays a stream chunk by chunk: read, decode, write, read the next. Nothing is
/// sent before the first content. On success the client has the proper end.
net::Task<std::optional<llm::Failure>> relay(Session& session, OpenCall& call,
                                             llm::StreamDecoder& decoder,
                                             const config::Target& target, bool& committed);

}  // namespace gateway
