#include "gateway/handle.h"

#include "base/units.h"
#include "gateway/auth.h"
#include "gateway/chat_job.h"
#include "gateway/serve.h"

#include <fmt/format.h>

namespace gateway {
namespace {

/// Whether another target may carry on a stream that breaks: as the header x-freeway-continue
/// says (on, off), else as the alias is configured.
std::expected<bool, ClientError> may_continue(const Session& session,
                                              const llm::ChatRequest& request) {
    const std::string_view said =
        base::trim(session.exchange.head.headers.get("x-freeway-continue"));
    if (!said.empty() && said != "on" && said != "off")
        return std::unexpected(ClientError{
            400,
            fmt::format("x-freeway-continue: `{}` is neither on nor off.", base::shown(said, 100)),
            "invalid_request_error",
            "bad_header",
            "x-freeway-continue",
            {}});
    if (!request.stream || said == "off") return false;
    if (said == "on") return true;
    const config::Alias* alias = session.catalog->find(request.model);
    return alias && !alias->targets.empty() &&
           session.catalog->targets[alias->targets.front()].continue_streams;
}

}  // namespace

ClientError unreadable(const base::Error& error) {
    switch (error.kind) {
        case base::ErrorKind::too_large:
            return {413, error.detail, "invalid_request_error", "body_too_large", {}, {}};
        case base::ErrorKind::timed_out:
            return {408, "The body came too slowly.", "invalid_request_error", "body_timeout", {},
                    {}};
        default: return {400, error.detail, "invalid_request_error", "bad_request", {}, {}};
    }
}

route::Ask ask_of(const llm::ChatRequest& request) {
    route::Ask ask;
    ask.model = request.model;
    ask.mode = request.endpoint == llm::Endpoint::completion ? config::Mode::completion
                                                             : config::Mode::chat;
    ask.tools = request.wants_tools;
    ask.vision = request.wants_vision;
    ask.json_schema = request.wants_json_schema;
    ask.prompt_bytes = request.prompt_bytes;
    ask.max_tokens = request.max_tokens;
    return ask;
}

net::Task<> handle_chat(Lane& lane, net::Exchange& exchange, llm::Endpoint endpoint) {
    Session session(lane, exchange);
    session.client = &llm::client_dialect(endpoint);
    const config::Settings& settings = session.catalog->settings;
    if (auto refused = authorize(settings, exchange)) co_return co_await session.refuse(*refused);

    auto body = co_await exchange.read_body(settings.max_body_bytes);
    if (!body) co_return co_await session.refuse(unreadable(body.error()));
    auto parsed = llm::parse_chat(std::move(*body), endpoint);
    if (!parsed) co_return co_await session.refuse(unreadable(parsed.error()));
    ChatJob job(std::move(*parsed));
    session.job = &job;
    auto continues = may_continue(session, job.request());
    if (!continues) co_return co_await session.refuse(continues.error());
    if (*continues) job.allow_continuation();
    session.record->asked = job.request().model;
    session.ask = ask_of(job.request());
    co_await serve(session);
}

}  // namespace gateway
