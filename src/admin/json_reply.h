#pragma once

#include "base/plain_numbers.h"
#include "gateway/errors.h"
#include "net/http_server.h"

#include <boost/json.hpp>

namespace admin {

inline net::Task<> reply(net::Exchange& exchange, int status, boost::json::value body) {
    const std::string text = base::plain_numbers(boost::json::serialize(body));
    co_await exchange.respond(status, {}, "application/json", text);
}

inline net::Task<> reply(net::Exchange& exchange, gateway::ClientError error) {
    const std::string text = gateway::error_body(error, nullptr);
    co_await exchange.respond(error.status, {}, "application/json", text);
}

}  // namespace admin
