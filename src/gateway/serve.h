#pragma once

#include "gateway/session.h"

namespace gateway {

/// From a request that has been read to its answer or error, whatever its kind: answers with what
/// is kept, or takes one of the gateway's places, decides, waits for quota where the client allows
/// it, asks the candidates in order, each at most once. `session.ask` and `session.job` are set;
/// the job outlives the call.
net::Task<> serve(Session& session);

/// Takes one of the gateway's places for `session`, once; an error where all are taken. Who reads
/// a large body calls it before.
std::optional<ClientError> take_place(Session& session);

/// Error for an alias that nobody configured.
ClientError unknown_model(const config::Catalog& catalog, const std::string& model);

}  // namespace gateway
