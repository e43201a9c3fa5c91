#include "admin/router.h"

#include "admin/box_proxy.h"
#include "admin/endpoints.h"
#include "admin/image_service.h"
#include "admin/percent.h"
#include "base/units.h"
#include "gateway/auth.h"
#include "gateway/count_tokens.h"
#include "gateway/handle.h"
#include "gateway/handle_audio.h"
#include "gateway/image_delivery.h"
#include "gateway/image_job.h"
#include "gateway/voices.h"

#include <array>
#include <optional>

namespace admin {
namespace {

using gateway::Lane;
using Client = llm::EmbeddingClient;
using llm::Endpoint;
using net::Exchange;
using net::Task;

enum class Access { open, key };

using Handler = Task<> (*)(Lane&, Exchange&, std::string);

template <llm::Endpoint endpoint>
Task<> chat(Lane& lane, Exchange& exchange, std::string) {
    return gateway::handle_chat(lane, exchange, endpoint);
}

Task<> count_tokens(Lane& lane, Exchange& exchange, std::string) {
    return gateway::handle_count_tokens(lane, exchange);
}

template <llm::EmbeddingClient client>
Task<> embed(Lane& lane, Exchange& exchange, std::string) {
    return gateway::handle_embeddings(lane, exchange, client);
}

Task<> rerank(Lane& lane, Exchange& exchange, std::string) {
    return gateway::handle_rerank(lane, exchange);
}

template <Task<> (*handle)(Lane&, Exchange&)>
Task<> plain(Lane& lane, Exchange& exchange, std::string) {
    return handle(lane, exchange);
}

using gateway::ImageSet;

template <Task<> (*handle)(Lane&, Exchange&, ImageSet), ImageSet set>
Task<> images(Lane& lane, Exchange& exchange, std::string) {
    return handle(lane, exchange, set == ImageSet::cpu ? gateway::usual_set(*lane.catalog()) : set);
}

struct Route {
    std::string_view method;
    std::string_view before;  ///< the path up to its variable part
    std::string_view after;   ///< and after it
    bool variable;
    Access access;  ///< the inference handlers check the key themselves
    Handler handler;
};

constexpr std::array kRoutes{
    Route{"POST", "/chat/completions", "", false, Access::open, chat<Endpoint::chat>},
    Route{"POST", "/completions", "", false, Access::open, chat<Endpoint::completion>},
    Route{"POST", "/responses", "", false, Access::open, chat<Endpoint::responses>},
    Route{"GET", "/responses/", "", true, Access::key, show_response},
    Route{"DELETE", "/responses/", "", true, Access::key, delete_response},
    Route{"POST", "/messages", "", false, Access::open, chat<Endpoint::messages>},
    Route{"POST", "/messages/count_tokens", "", false, Access::open, count_tokens},
    Route{"POST", "/api/chat", "", false, Access::open, chat<Endpoint::ollama_chat>},
    Route{"POST", "/api/generate", "", false, Access::open, chat<Endpoint::ollama_generate>},
    Route{"POST", "/embeddings", "", false, Access::open, embed<Client::openai>},
    Route{"POST", "/api/embed", "", false, Access::open, embed<Client::ollama_embed>},
    Route{"POST", "/api/embeddings", "", false, Access::open, embed<Client::ollama_embeddings>},
    Route{"POST", "/rerank", "", false, Access::open, rerank},
    Route{"POST", "/v2/rerank", "", false, Access::open, rerank},
    Route{"POST", "/images/generations", "", false, Access::open, gateway::handle_image_generation},
    Route{"POST", "/images/edits", "", false, Access::open, gateway::handle_image_edit},
    Route{"GET", "/sdcpp/v1/status", "", false, Access::key,
          images<show_image_service, ImageSet::cpu>},
    Route{"POST", "/sdcpp/v1/load", "", false, Access::key,
          images<load_image_model, ImageSet::cpu>},
    Route{"POST", "/sdcpp/v1/unload", "", false, Access::key,
          images<unload_image_model, ImageSet::cpu>},
    Route{"POST", "/sdcpp/v1/cancel", "", false, Access::key, images<cancel_image, ImageSet::cpu>},
    Route{"POST", "/sdcpp/v1/images/generations", "", false, Access::open,
          images<gateway::handle_service_image, ImageSet::cpu>},
    Route{"GET", "/sdcpp-cuda/v1/status", "", false, Access::key,
          images<show_image_service, ImageSet::cuda>},
    Route{"POST", "/sdcpp-cuda/v1/load", "", false, Access::key,
          images<load_image_model, ImageSet::cuda>},
    Route{"POST", "/sdcpp-cuda/v1/unload", "", false, Access::key,
          images<unload_image_model, ImageSet::cuda>},
    Route{"POST", "/sdcpp-cuda/v1/cancel", "", false, Access::key,
          images<cancel_image, ImageSet::cuda>},
    Route{"POST", "/sdcpp-cuda/v1/images/generations", "", false, Access::open,
          images<gateway::handle_service_image, ImageSet::cuda>},
    Route{"GET", "/files/", "", true, Access::open, gateway::handle_file},
    Route{"GET", "/api/tags", "", false, Access::key, ollama_tags},
    Route{"POST", "/api/show", "", false, Access::key, ollama_show},
    Route{"GET", "/api/ps", "", false, Access::key, ollama_ps},
    Route{"GET", "/api/version", "", false, Access::key, ollama_version},
    Route{"POST", "/api/pull", "", false, Access::key, ollama_fixed},
    Route{"POST", "/api/push", "", false, Access::key, ollama_fixed},
    Route{"POST", "/api/create", "", false, Access::key, ollama_fixed},
    Route{"POST", "/api/copy", "", false, Access::key, ollama_fixed},
    Route{"DELETE", "/api/delete", "", false, Access::key, ollama_fixed},
    Route{"GET", "/", "", false, Access::open, front_door},
    Route{"POST", "/audio/transcriptions", "", false, Access::open,
          plain<gateway::handle_transcription>},
    Route{"POST", "/audio/translations", "", false, Access::open,
          plain<gateway::handle_translation>},
    Route{"POST", "/audio/speech", "", false, Access::open, plain<gateway::handle_speech>},
    Route{"GET", "/audio/voices", "", false, Access::key, plain<gateway::list_voices>},
    Route{"GET", "/models", "", false, Access::key, list_models},
    Route{"GET", "/models/", "", true, Access::key, show_model},
    Route{"GET", "/health", "", false, Access::key, health},
    Route{"GET", "/health/liveness", "", false, Access::open, liveness},
    Route{"GET", "/health/liveliness", "", false, Access::open, liveness},
    Route{"GET", "/health/readiness", "", false, Access::open, readiness},
    Route{"GET", "/devices", "", false, Access::key, list_devices},
    Route{"POST", "/unload", "", false, Access::key, unload_devices},
    Route{"POST", "/unload/", "", true, Access::key, unload_devices},
    Route{"GET", "/benches", "", false, Access::key, list_benches},
    Route{"DELETE", "/benches", "", false, Access::key, clear_benches},
    Route{"DELETE", "/benches/", "", true, Access::key, clear_bench},
    Route{"GET", "/quota", "", false, Access::key, list_quota},
    Route{"GET", "/quota/", "", true, Access::key, show_quota},
    Route{"POST", "/quota/reset", "", false, Access::key, reset_quota},
    Route{"POST", "/quota/set", "", false, Access::key, set_quota},
    Route{"GET", "/cache", "", false, Access::key, show_cache},
    Route{"DELETE", "/cache", "", false, Access::key, clear_cache},
    Route{"GET", "/cache/ping", "", false, Access::key, show_cache},
    Route{"POST", "/cache/flushall", "", false, Access::key, clear_cache},
    Route{"GET", "/pulls", "", false, Access::key, list_pulls},
    Route{"POST", "/explain", "", false, Access::key, preview},
    Route{"GET", "/requests/", "/explain", true, Access::key, explain_request},
};

/// The variable part of `path` where the route fits it.
std::optional<std::string> match(const Route& route, std::string_view path) {
    if (!route.variable)
        return path == route.before ? std::optional<std::string>("") : std::nullopt;
    if (!path.starts_with(route.before) || !path.ends_with(route.after)) return std::nullopt;
    if (path.size() <= route.before.size() + route.after.size()) return std::nullopt;
    return percent_decode(
        path.substr(route.before.size(), path.size() - route.before.size() - route.after.size()));
}

Task<> refuse(Exchange& exchange, gateway::ClientError error, std::string_view allow = {}) {
    const net::Header header{"Allow", allow};
    const std::string body = gateway::error_body(error, nullptr);
    co_await exchange.respond(error.status, std::span(&header, allow.empty() ? 0 : 1),
                              "application/json", body);
}

}  // namespace

Task<> answer(Lane& lane, Exchange& exchange) {
    std::string_view path = exchange.head.path;
    if (const auto box = box_path(path)) {
        if (auto refused = gateway::authorize(lane.catalog()->settings, exchange))
            co_return co_await refuse(exchange, std::move(*refused));
        co_return co_await hand_to_box(lane, exchange, *box);
    }
    if (path.starts_with("/openai/v1/")) path.remove_prefix(7);  // Groq's own clients say this
    if (path.starts_with("/v1/")) path.remove_prefix(3);
    std::string_view allow;
    const bool head = exchange.head.method == "HEAD";
    for (const Route& route : kRoutes) {
        auto rest = match(route, path);
        if (!rest) continue;
        if (route.method != exchange.head.method && !(head && route.method == "GET")) {
            allow = route.method;
            continue;
        }
        if (route.access == Access::key)
            if (auto refused = gateway::authorize(lane.catalog()->settings, exchange))
                co_return co_await refuse(exchange, std::move(*refused));
        co_return co_await route.handler(lane, exchange, std::move(*rest));
    }
    const std::string shown = base::shown(exchange.head.path, 200);
    if (!allow.empty())
        co_return co_await refuse(exchange,
                                  {405,
                                   shown + " is answered to " + std::string(allow) + " only.",
                                   "invalid_request_error",
                                   "method_not_allowed",
                                   {},
                                   {}},
                                  allow);
    co_await refuse(
        exchange,
        {404, "There is nothing at " + shown + ".", "invalid_request_error", "not_found", {}, {}});
}

}  // namespace admin
