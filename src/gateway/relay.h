#pragma once

#include "gateway/session.h"

namespace gateway {

/// Time limits of one attempt, absolute except for the gap between chunks.
struct Limits {
    base::Time connect_by;
    base::Time first_by;  ///< first content (streams) or the answer's head
    base::Time attempt_by;
    base::Duration gap;
};

/// Relays a stream chunk by chunk: read, decode, write, read the next. Nothing is
/// sent before the first content. On success the client has the proper end.
net::Task<std::optional<llm::Failure>> relay(Session& session, net::UpstreamReply& reply,
                                             llm::StreamDecoder& decoder,
                                             const config::Target& target, const Limits& limits,
                                             bool& committed);

/// A transport error as an outcome of the attempt.
llm::Failure transport_failure(const base::Error& error);

}  // namespace gateway
