#pragma once

#include "gateway/gateway.h"
#include "net/http_server.h"

#include <string>
#include <string_view>

/// The endpoints that are not inference. Each answers its exchange; `rest` is what
/// the path holds after its fixed part, percent-decoded. Access was checked before.
namespace admin {

/// Shown in lists of models: not hidden, and somebody behind it can be asked.
bool listed(const config::Catalog& catalog, const config::Alias& alias);

net::Task<> list_models(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> show_model(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// Ollama's own lists, for its clients: models are aliases, nothing is on a disk.
net::Task<> ollama_tags(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> ollama_show(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// Aliases whose model is loaded on a device of ours now.
net::Task<> ollama_ps(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// The version of Ollama's interface that is spoken: its clients ask for a least one.
net::Task<> ollama_version(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// Pulling, making and deleting models: 501 and how it is done here.
net::Task<> ollama_fixed(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// Its clients look here whether anybody is at home.
net::Task<> front_door(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// Alive: answers at once, looks at nothing.
net::Task<> liveness(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// 200 when requests are taken, 503 while draining. Counts only: it is open to all.
net::Task<> readiness(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// Every alias with its state as seen by live traffic: nothing is probed.
net::Task<> health(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// Budgets, what is loaded, leases and who waits, device by device.
net::Task<> list_devices(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
/// Sends away what is loaded and idle on the device `rest`, or on all.
net::Task<> unload_devices(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

net::Task<> list_benches(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> clear_benches(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> clear_bench(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// A Response that is kept, and its end.
net::Task<> show_response(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> delete_response(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// Models that are being fetched, or were since the start.
net::Task<> list_pulls(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

/// The cache of answers: how much is kept, hits and misses.
net::Task<> show_cache(gateway::Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> clear_cache(gateway::Lane& lane, net::Exchange& exchange, std::string rest);

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
