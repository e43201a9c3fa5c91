#pragma once

#include "gateway/gateway.h"
#include "net/http_server.h"

#include <string>
#include <string_view>

/// The endpoints that are not inference. Each answers its exchange; `rest` is what
/// the path holds after its fixed part, percent-decoded. Access was checked before.
namespace admin {

net::Task<> list_models(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> show_model(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// Alive: answers at once, looks at nothing.
net::Task<> liveness(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// 200 when requests are taken, 503 while draining. Counts only: it is open to all.
net::Task<> readiness(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// Every alias with its state as seen by live traffic: nothing is probed.
net::Task<> health(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

net::Task<> list_benches(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> clear_benches(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> clear_bench(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// Every limit with what is left of it; `rest` narrows it to a key, a scope's name or an alias.
net::Task<> list_quota(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> show_quota(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// What an operator knows better than the ledger; acts on the live state.
net::Task<> reset_quota(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> set_quota(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// A request in, its decision out; nothing is sent.
net::Task<> preview(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> explain_request(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

}  // namespace admin
