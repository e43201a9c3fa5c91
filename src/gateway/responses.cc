#include "gateway/responses.h"

#include "base/units.h"
#include "gateway/handle.h"
#include "llm/json.h"
#include "llm/responses_history.h"
#include "llm/responses_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace gateway {
namespace {

/// Nobody can guess it: who has the id of a response may read it.
std::string answer_id(const Session& session) {
    std::random_device device;
    return fmt::format("{}{:08x}{:08x}",
                       session.record->id.substr(session.record->id.find('_') + 1), device(),
                       device());
}

bool openai_is_there(const config::Snapshot& catalog) {
    return std::ranges::any_of(catalog->targets, [](const config::Target& target) {
        return target.provider == base::Provider::openai;
    });
}

}  // namespace

std::optional<ClientError> prepare_response(Session& session, llm::ChatRequest& request) {
    request.answer_id = answer_id(session);
    const std::string previous = llm::previous_response(request);
    if (previous.empty()) return std::nullopt;
    const auto kept = session.lane.shared.responses.find(previous);
    if (!kept) {
        if (!llm::is_ours(previous) && openai_is_there(session.catalog)) return std::nullopt;
        return ClientError{
            400,
            fmt::format("Previous response with id '{}' not found.", base::shown(previous, 200)),
            "invalid_request_error",
            "previous_response_not_found",
            "previous_response_id",
            {}};
    }
    auto whole = llm::parse_chat(llm::continued(request, kept->items), llm::Endpoint::responses);
    if (!whole) return unreadable(whole.error());
    whole->answer_id = std::move(request.answer_id);
    whole->continues = previous;
    request = *std::move(whole);
    return std::nullopt;
}

bool may_be_referred_to(const Gateway& shared, const llm::ChatRequest& request,
                        std::string_view response) {
    if (!llm::may_keep(request)) return true;
    const auto id = llm::json::text(llm::json::member(response, "id"));
    return id && shared.responses.find(*id) != nullptr;
}

void keep_response(Gateway& shared, const llm::ChatRequest& request, std::string_view response) {
    if (response.empty() || !llm::may_keep(request)) return;
    if (const auto id = llm::json::text(llm::json::member(response, "id")))
        shared.responses.keep(*id, {std::string(response), llm::conversation(request, response)});
}

}  // namespace gateway
