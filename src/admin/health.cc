#include "admin/endpoints.h"
#include "admin/json_reply.h"

namespace admin {

namespace json = boost::json;

namespace {

json::array engines(gateway::Lane& lane) {
    json::array list;
    for (const device::EngineStatus& engine : lane.shared.engines->status()) {
        json::object row;
        row["name"] = engine.name;
        row["state"] = device::name(engine.state);
        row["restarts"] = engine.restarts;
        list.push_back(std::move(row));
    }
    return list;
}

/// A disk that fails or hangs stops nobody from being served: it is said, not refused.
json::object store_health(gateway::Lane& lane) {
    json::object body;
    if (!lane.shared.store) {
        body["status"] = "off";
        return body;
    }
    const store::Health health = lane.shared.store->health();
    body["status"] = health.stalled ? "stalled" : health.problem.empty() ? "ok" : "failing";
    if (!health.problem.empty()) body["problem"] = health.problem;
    body["since_commit_s"] = static_cast<double>(health.since_commit.count()) / 1000;
    body["waiting_rows"] = health.waiting_rows;
    body["lost_rows"] = health.lost_rows;
    return body;
}

json::object shared_health(gateway::Lane& lane) {
    const store::SharedLedger::Status status = lane.shared.shared_ledger->status();
    json::object body;
    body["status"] = status.connected ? "connected" : "cut off";
    if (!status.problem.empty()) body["problem"] = status.problem;
    return body;
}

}  // namespace

net::Task<> liveness(gateway::Lane&, net::Exchange& exchange, std::string) {
    co_await exchange.respond(200, {}, "application/json", R"({"status":"alive"})");
}

net::Task<> readiness(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const bool draining = lane.shared.draining.load();
    json::object body;
    body["status"] = draining ? "draining" : "ready";
    body["aliases"] = lane.catalog()->aliases.size();
    body["benches"] = lane.shared.benches.list(base::Clock::now()).size();
    body["active_requests"] = lane.shared.active.load();
    body["engines"] = engines(lane);
    body["store"] = store_health(lane);
    if (lane.shared.shared_ledger) body["shared_ledger"] = shared_health(lane);
    co_await reply(exchange, draining ? 503 : 200, std::move(body));
}

net::Task<> health(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const config::Snapshot catalog = lane.catalog();
    const base::Now now = base::Now::read();
    json::array healthy;
    json::array unhealthy;
    for (const config::Target& target : catalog->targets) {
        if (!target.left_out.empty()) continue;
        json::object row;
        row["model"] = target.alias;
        row["provider"] = base::name(target.provider);
        if (!target.note.empty()) row["note"] = target.note;
        const auto bench = lane.shared.benches.find(target, now.steady);
        if (bench) row["bench"] = route::to_json(*bench, now);
        (bench ? unhealthy : healthy).push_back(std::move(row));
    }
    json::object body;
    body["healthy_count"] = healthy.size();
    body["unhealthy_count"] = unhealthy.size();
    body["healthy_endpoints"] = std::move(healthy);
    body["unhealthy_endpoints"] = std::move(unhealthy);
    body["engines"] = engines(lane);
    co_await reply(exchange, 200, std::move(body));
}

}  // namespace admin
