#pragma once

#include "gateway/session.h"
#include "route/decide.h"

namespace gateway {

/// Calls one candidate and, if it serves, relays its answer to the client. nullopt:
/// the client has its whole answer. Otherwise the failure; if content was already
/// sent, the client has been told in its stream and `committed` is true. Adds one
/// step to the record. `last`: nobody is left after it, so it gets the whole rest of
/// the request's time. `reservation` ends with it: settled to what was used, or given back if
/// nothing was sent.
net::Task<std::optional<llm::Failure>> attempt(Session& session, const route::Candidate& candidate,
                                               quota::Reservation& reservation, bool last,
                                               bool& committed);

/// What a call used, as the ledger counts it.
quota::Used used_of(const llm::Usage& usage);

}  // namespace gateway
