#include "gateway/count_tokens.h"

#include "gateway/auth.h"
#include "gateway/handle.h"
#include "gateway/serve.h"
#include "llm/client_dialect.h"
#include "llm/json.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace gateway {
namespace {

net::Task<> refuse(net::Exchange& exchange, ClientError error) {
    const std::string body = llm::client_dialect(llm::Endpoint::messages)
                                 .error(error.status, error_body(error, nullptr));
    co_await exchange.respond(error.status, {}, "application/json", body);
}

/// A request to count has no max_tokens, which messages must have.
std::string as_messages(std::string body) {
    const std::size_t begin = body.find('{');
    const bool bare = begin != body.npos && !llm::json::blank(body) &&
                      llm::json::member(body, "max_tokens").empty();
    if (bare) body.insert(begin + 1, R"("max_tokens":1,)");
    return body;
}

}  // namespace

net::Task<> handle_count_tokens(Lane& lane, net::Exchange& exchange) {
    const config::Snapshot catalog = lane.catalog();
    if (auto refused = refused_unread(catalog->settings, exchange))
        co_return co_await refuse(exchange, *refused);
    auto body = co_await exchange.read_body(catalog->settings.max_body_bytes);
    if (!body) co_return co_await refuse(exchange, unreadable(body.error()));
    auto request = llm::parse_chat(as_messages(std::move(*body)), llm::Endpoint::messages);
    if (!request) co_return co_await refuse(exchange, unreadable(request.error()));
    if (!catalog->find(request->model))
        co_return co_await refuse(exchange, unknown_model(*catalog, request->model));
    const std::string answer = fmt::format(R"({{"input_tokens":{},"estimated":true}})",
                                           llm::estimate_usage(*request, 0).prompt);
    co_await exchange.respond(200, {}, "application/json", answer);
}

}  // namespace gateway
