#pragma once

#include "gateway/job.h"
#include "gateway/session.h"
#include "route/decide.h"

namespace gateway {

/// Calls one candidate and, if it serves, relays its answer to the client. nullopt:
/// the client has its whole answer. Otherwise the failure; if content was already
/// sent, the client has been told in its stream and the trial is committed. Adds one
/// step to the record. The trial's reservation ends with it: settled to what was used, or given
/// back if nothing was sent.
net::Task<std::optional<llm::Failure>> attempt(Session& session, const route::Candidate& candidate,
                                               Trial& trial);

/// What a call used, as the ledger counts it.
quota::Used used_of(const llm::Usage& usage);

}  // namespace gateway
