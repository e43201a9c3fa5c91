#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "gateway/handle.h"
#include "gateway/serve.h"

namespace admin {

namespace json = boost::json;

namespace {

constexpr base::Duration kFiled{200};
constexpr base::Duration kFiledLook{10};

/// A whole chat request, or just `{"model": "…"}`.
base::Result<route::Ask> read_ask(const config::Catalog& catalog, std::string body) {
    auto request = llm::parse_chat(body, llm::Endpoint::chat);
    if (request) return gateway::ask_of(*request);
    boost::system::error_code error;
    const json::value value = json::parse(body, error);
    const json::object* object = error ? nullptr : value.if_object();
    const json::value* model = object ? object->if_contains("model") : nullptr;
    if (!model || !model->is_string() || object->contains("messages"))
        return std::unexpected(request.error());
    return route::ask_for(catalog, std::string(model->as_string()));
}

}  // namespace

net::Task<> list_benches(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const base::Now now = base::Now::read();
    json::array list;
    for (const route::Bench& bench : lane.shared.benches.list(now.steady))
        list.push_back(route::to_json(bench, now));
    json::object body;
    body["object"] = "list";
    body["data"] = std::move(list);
    co_await reply(exchange, 200, std::move(body));
}

net::Task<> clear_benches(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    lane.shared.benches.clear_all();
    lane.shared.ledger.forget_refusals({}, base::Now::read());
    json::object body;
    body["cleared"] = "all";
    co_await reply(exchange, 200, std::move(body));
}

net::Task<> clear_bench(gateway::Lane& lane, net::Exchange& exchange, std::string rest) {
    const config::Snapshot catalog = lane.catalog();
    const config::Alias* alias = catalog->find(rest);
    if (!alias) co_return co_await reply(exchange, gateway::unknown_model(*catalog, rest));
    bool cleared = false;
    for (const std::size_t index : alias->targets)
        cleared = lane.shared.benches.clear(catalog->targets[index]) || cleared;
    lane.shared.ledger.forget_refusals(alias->name, base::Now::read());
    json::object body;
    body["cleared"] = cleared ? json::value(alias->name) : json::value(nullptr);
    co_await reply(exchange, 200, std::move(body));
}

net::Task<> preview(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const config::Snapshot catalog = lane.catalog();
    auto body = co_await exchange.read_body(catalog->settings.max_body_bytes);
    if (!body) co_return co_await reply(exchange, gateway::unreadable(body.error()));
    auto ask = read_ask(*catalog, std::move(*body));
    if (!ask) co_return co_await reply(exchange, gateway::unreadable(ask.error()));
    auto decision = route::decide(lane.state(), *ask, lane.counter);
    if (!decision)
        co_return co_await reply(
            exchange,
            gateway::unknown_model(*catalog, route::served_alias(catalog->settings, *ask)));
    co_await reply(exchange, 200, route::to_json(*decision, *ask));
}

net::Task<> explain_request(gateway::Lane& lane, net::Exchange& exchange, std::string rest) {
    auto record = lane.shared.records.find(rest);
    // A record is filed when its request is over: a moment after the client has its answer.
    const base::Time by = base::Clock::now() + kFiled;
    while (!record && rest.starts_with("req_") && base::Clock::now() < by) {
        co_await net::sleep_until(lane.worker.loop.get_executor(), base::Clock::now() + kFiledLook);
        record = lane.shared.records.find(rest);
    }
    if (!record)
        co_return co_await reply(exchange, {404,
                                            "No record of this request: the last 1000 are kept.",
                                            "invalid_request_error",
                                            "not_found",
                                            {},
                                            {}});
    co_await reply(exchange, 200, route::to_json(*record));
}

}  // namespace admin
