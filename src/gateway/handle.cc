#include "gateway/handle.h"

#include "base/units.h"
#include "gateway/auth.h"
#include "gateway/chat_job.h"
#include "gateway/embedding_job.h"
#include "gateway/rerank_job.h"
#include "gateway/responses.h"
#include "gateway/serve.h"
#include "llm/answer_format.h"

#include <fmt/format.h>

#include <algorithm>

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
    const config::Alias* alias =
        session.catalog->find(route::served_alias(session.catalog->settings, session.ask));
    return alias && !alias->targets.empty() &&
           session.catalog->targets[alias->targets.front()].continue_streams;
}

/// Whether an answer can be put together of two targets': everything goes through the canonical
/// form, which has one choice and nothing that only its own provider can do. One that is bound to
/// a format is judged whole.
bool carries_over(const llm::ChatRequest& request) {
    if (request.format || request.choices != 1) return false;
    const base::Result<llm::Chat>& chat = llm::canonical(request);
    return chat && chat->native.empty() &&
           std::ranges::all_of(chat->tools,
                               [](const llm::Tool& tool) { return tool.native.empty(); });
}

/// The answer to one who asks nothing of a known model: nothing is loaded for that. Who wants it
/// sent away gets that where it is idle; an Ollama that is on no device of ours is told itself
/// (nullopt), as nobody else knows what it holds.
std::optional<std::string> answer_to_nothing(Session& session, const llm::ChatRequest& request) {
    const config::Catalog& catalog = *session.catalog;
    const config::Alias* alias = catalog.find(request.model);
    if (!alias) return std::nullopt;
    auto nothing = session.client->nothing_asked(request, base::WallClock::now());
    if (!nothing) return std::nullopt;
    if (nothing->unload)
        for (const std::size_t index : alias->targets) {
            const config::Target& target = catalog.targets[index];
            if (target.provider != base::Provider::ollama) continue;
            const auto use = device::use_of(catalog, target);
            if (!use) return std::nullopt;
            session.lane.shared.devices->unload(*use);
        }
    return std::move(nothing->answer);
}

}  // namespace

ClientError unreadable(const base::Error& error) {
    switch (error.kind) {
        case base::ErrorKind::too_large:
            return {413, error.detail, "invalid_request_error", "body_too_large", {}, {}};
        case base::ErrorKind::timed_out:
            return {408, "The body came too slowly.", "invalid_request_error", "body_timeout", {},
                    {}};
        case base::ErrorKind::refused:
            return {503, error.detail,         "server_error", "too_many_uploads",
                    {},  base::Duration(5'000)};
        case base::ErrorKind::io:
            return {500, error.detail, "server_error", "upload_failed", {}, {}};
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
    ask.audio = request.wants_audio;
    ask.documents = request.wants_documents;
    ask.json_schema = request.wants_json_schema;
    ask.stream = request.stream;
    ask.choices = request.choices;
    ask.prompt_bytes = request.prompt_bytes;
    ask.max_tokens = request.max_tokens;
    return ask;
}

route::Ask ask_of(const llm::EmbeddingRequest& request) {
    route::Ask ask;
    ask.model = request.model;
    ask.mode = config::Mode::embedding;
    ask.prompt_bytes = request.input_bytes;
    ask.max_tokens = 0;
    ask.inputs = request.inputs.size();
    ask.window_bytes = request.largest_input;
    return ask;
}

route::Ask ask_of(const llm::RerankRequest& request) {
    route::Ask ask;
    ask.model = request.model;
    ask.mode = config::Mode::rerank;
    ask.prompt_bytes = request.bytes;
    ask.max_tokens = 0;
    ask.inputs = request.documents.size();
    ask.window_bytes = 0;  // documents are cut to what the model takes
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
    if (endpoint == llm::Endpoint::responses)
        if (auto refused = prepare_response(session, *parsed))
            co_return co_await session.refuse(*std::move(refused));
    if (auto read = llm::read_format(*parsed, settings.validate_json_schema); !read)
        co_return co_await session.refuse(unreadable(read.error()));
    if (auto reply = answer_to_nothing(session, *parsed)) {
        co_await session.answer(200, "application/json", *reply);
        co_return;
    }
    ChatJob job(std::move(*parsed));
    session.job = &job;
    session.ask = ask_of(job.request());
    auto continues = may_continue(session, job.request());
    if (!continues) co_return co_await session.refuse(continues.error());
    if (*continues && carries_over(job.request())) job.allow_continuation();
    session.record->asked = job.request().model;
    co_await serve(session);
}

namespace {

/// Reads the request and lets `parse` take it apart; nullopt: the client has been told why not.
template <class Parse>
auto parsed_body(Session& session, Parse parse)
    -> net::Task<std::optional<typename decltype(parse(std::string()))::value_type>> {
    const config::Settings& settings = session.catalog->settings;
    if (auto refused = authorize(settings, session.exchange)) {
        co_await session.refuse(*refused);
        co_return std::nullopt;
    }
    auto body = co_await session.exchange.read_body(settings.max_body_bytes);
    if (body) {
        auto parsed = parse(std::move(*body));
        if (parsed) co_return std::move(*parsed);
        body = std::unexpected(parsed.error());
    }
    co_await session.refuse(unreadable(body.error()));
    co_return std::nullopt;
}

/// Whatever is asked for: `job` does it for `request`.
template <class JobOf, class Request>
net::Task<> serve_as(Session& session, Request request) {
    session.record->asked = request.model;
    session.ask = ask_of(request);
    JobOf job(std::move(request));
    session.job = &job;
    co_await serve(session);
}

}  // namespace

net::Task<> handle_embeddings(Lane& lane, net::Exchange& exchange, llm::EmbeddingClient client) {
    Session session(lane, exchange);
    if (client != llm::EmbeddingClient::openai)
        session.client = &llm::client_dialect(llm::Endpoint::ollama_chat);
    auto request = co_await parsed_body(session, [client](std::string body) {
        return llm::parse_embeddings(std::move(body), client);
    });
    if (request) co_await serve_as<EmbeddingJob>(session, std::move(*request));
}

net::Task<> handle_rerank(Lane& lane, net::Exchange& exchange) {
    Session session(lane, exchange);
    auto request = co_await parsed_body(session, llm::parse_rerank);
    if (request) co_await serve_as<RerankJob>(session, std::move(*request));
}

}  // namespace gateway
