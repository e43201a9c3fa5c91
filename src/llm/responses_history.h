#pragma once

#include "llm/chat_request.h"

#include <string>
#include <string_view>

namespace llm {

/// The id of the response that a request of Responses goes on from; empty: none.
std::string previous_response(const ChatRequest& request);
/// Whether the answer may be kept: `store` is not false, and the request states the whole
/// conversation. What it goes on from elsewhere (another's response, a conversation) is not known
/// here, so that nobody could go on from the answer.
bool may_keep(const ChatRequest& request);

/// What has been said up to and with `response`, as the items of an `input`, commas between.
/// Ids are left out: nobody but the one who gave them knows them.
std::string conversation(const ChatRequest& request, std::string_view response);

/// The body of `request` with `items` before its input, and without previous_response_id.
std::string continued(const ChatRequest& request, std::string_view items);

}  // namespace llm
