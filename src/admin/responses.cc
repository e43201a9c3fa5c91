#include "admin/endpoints.h"
#include "base/units.h"
#include "gateway/errors.h"
#include "llm/json.h"

#include <fmt/format.h>

namespace admin {
namespace {

net::Task<> not_kept(net::Exchange& exchange, std::string id) {
    const gateway::ClientError error{
        404,
        fmt::format("Response with id '{}' not found.", base::shown(id, 200)),
        "invalid_request_error",
        "not_found",
        {},
        {}};
    const std::string body = gateway::error_body(error, nullptr);
    co_await exchange.respond(404, {}, "application/json", body);
}

}  // namespace

net::Task<> show_response(gateway::Lane& lane, net::Exchange& exchange, std::string rest) {
    const auto kept = lane.shared.responses.find(rest);
    if (!kept) co_return co_await not_kept(exchange, std::move(rest));
    co_await exchange.respond(200, {}, "application/json", kept->response);
}

net::Task<> delete_response(gateway::Lane& lane, net::Exchange& exchange, std::string rest) {
    if (!lane.shared.responses.remove(rest)) co_return co_await not_kept(exchange, std::move(rest));
    const std::string body =
        fmt::format(R"({{"id":{},"object":"response","deleted":true}})", llm::json::quote(rest));
    co_await exchange.respond(200, {}, "application/json", body);
}

}  // namespace admin
