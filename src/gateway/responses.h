#pragma once

#include "gateway/session.h"
#include "llm/chat_request.h"

#include <optional>
#include <string_view>

namespace gateway {

/// Makes a request of Responses ready for every target: its answer gets an id, and the
/// conversation that it goes on from is put before its input. An error where that is unknown.
std::optional<ClientError> prepare_response(Session& session, llm::ChatRequest& request);

/// Whether a kept Response can be given to a client that may go on from it: always where `request`
/// does not want it stored.
bool may_be_referred_to(const Gateway& shared, const llm::ChatRequest& request,
                        std::string_view response);

/// Keeps a whole Response for the requests that go on from it, if the client lets us.
void keep_response(Gateway& shared, const llm::ChatRequest& request, std::string_view response);

}  // namespace gateway
