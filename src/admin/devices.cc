#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "admin/pulls_json.h"
#include "base/units.h"

namespace admin {

namespace json = boost::json;

namespace {

/// Whole ones, so that 60 is not written as 6E1.
std::int64_t seconds(base::Duration span) { return span.count() / 1000; }

json::object model_json(const device::Scheduler::ModelView& model) {
    json::object out;
    out["engine"] = model.key.engine;
    out["model"] = model.key.model;
    out["bytes"] = model.bytes;
    out["state"] = model.evicting ? "leaving" : model.loaded ? "loaded" : "loading";
    out["leases"] = model.leases;
    if (model.leases == 0) out["idle_s"] = seconds(model.idle);
    return out;
}

json::object waiter_json(const device::Scheduler::WaiterView& waiter) {
    json::object out;
    out["engine"] = waiter.key.engine;
    out["model"] = waiter.key.model;
    out["priority"] = device::name(waiter.priority);
    out["waited_s"] = seconds(waiter.waited);
    return out;
}

json::object engine_json(const device::DeviceReport& device,
                         const device::DeviceReport::Engine& engine) {
    json::object out;
    out["engine"] = engine.key;
    const auto troubled = device.view.troubled.find(engine.key);
    const bool keeps = troubled != device.view.troubled.end();
    out["status"] = engine.trouble.empty() ? (keeps ? "does not unload" : "ok")
                    : engine.serves        ? "does not list"
                                           : "unreachable";
    if (!engine.trouble.empty())
        out["detail"] = engine.trouble;
    else if (keeps)
        out["detail"] = troubled->second;
    return out;
}

template <class List, class Make>
json::array listed(const List& list, Make make) {
    json::array out;
    for (const auto& one : list) out.push_back(make(one));
    return out;
}

json::object device_json(const device::DeviceReport& device) {
    const device::Scheduler::View& view = device.view;
    json::object out;
    out["id"] = device.name;
    out["object"] = "device";
    out["budget_bytes"] = view.budget ? json::value(*view.budget) : json::value(nullptr);
    out["used_bytes"] = view.used;
    out["others_bytes"] = view.others;
    const std::uint64_t taken = view.used + view.others;
    if (view.budget) out["free_bytes"] = *view.budget - std::min(*view.budget, taken);
    out["jobs"] = device.jobs > 0 ? json::value(device.jobs) : json::value(nullptr);
    out["models"] = listed(view.models, model_json);
    out["waiting"] = listed(view.waiting, waiter_json);
    out["engines"] =
        listed(device.engines, [&](const auto& engine) { return engine_json(device, engine); });
    return out;
}

json::object unload_json(const device::UnloadReport& report) {
    json::object out;
    out["status"] = report.status;
    json::array unloaded;
    for (const std::string& model : report.unloaded) unloaded.emplace_back(model);
    out["unloaded"] = std::move(unloaded);
    if (!report.error.empty()) out["error"] = report.error;
    return out;
}

}  // namespace

net::Task<> list_devices(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const auto devices = co_await lane.shared.devices->report(lane.worker.loop.get_executor());
    json::object body;
    body["object"] = "list";
    body["data"] = listed(devices, device_json);
    body["pulls"] = pulls_json(lane.shared.pulls.all().get(), base::Clock::now());
    co_await reply(exchange, 200, std::move(body));
}

net::Task<> unload_devices(gateway::Lane& lane, net::Exchange& exchange, std::string device) {
    const auto known = co_await lane.shared.devices->report(lane.worker.loop.get_executor());
    const bool found = device.empty() || std::ranges::any_of(known, [&](const auto& one) {
                           return one.name == device;
                       });
    if (!found)
        co_return co_await reply(exchange,
                                 {404,
                                  "No device is called " + base::shown(device, 100) +
                                      ". GET /v1/devices lists those that enabled models run on.",
                                  "invalid_request_error",
                                  "not_found",
                                  {},
                                  {}});
    const auto reports =
        co_await lane.shared.devices->unload(lane.worker.loop.get_executor(), device);
    json::object results;
    for (const device::UnloadReport& report : reports) results[report.engine] = unload_json(report);
    json::object body;
    body["class"] = device.empty() ? "all" : device;
    body["results"] = std::move(results);
    co_await reply(exchange, 200, std::move(body));
}

}  // namespace admin
