#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "admin/quota_json.h"
#include "base/units.h"
#include "gateway/handle.h"

#include <algorithm>

namespace admin {

namespace json = boost::json;

namespace {

using quota::Ledger;
using quota::Line;

constexpr std::size_t kMostBody = 64u << 10;

gateway::ClientError no_such_limit(std::string_view what) {
    return {404,
            "No limit goes by " + base::shown(what, 200) +
                ", as a key, a scope's name or an alias that has one. GET /v1/quota lists all.",
            "invalid_request_error",
            "not_found",
            {},
            {}};
}

gateway::ClientError ceiling_unknown(std::string_view what) {
    return {400,
            "`remaining` can't be set: the ceiling of " + base::shown(what, 200) +
                " is not known. Send `used`, or state the limit in the configuration.",
            "invalid_request_error",
            "ceiling_unknown",
            "remaining",
            {}};
}

json::object listing(const std::vector<Line>& lines, base::Now now) {
    json::array list;
    for (const Line& line : lines) list.push_back(to_json(line, now));
    json::object body;
    body["object"] = "list";
    body["time"] = base::rfc3339(now.wall);
    body["data"] = std::move(list);
    return body;
}

/// Carries out what the body orders, as `read` understands it.
net::Task<> act(gateway::Lane& lane, net::Exchange& exchange, ReadOrder (*read)(std::string_view)) {
    auto body = co_await exchange.read_body(kMostBody);
    if (!body) co_return co_await reply(exchange, gateway::unreadable(body.error()));
    const ReadOrder order = read(*body);
    if (!order) co_return co_await reply(exchange, order.error());
    const base::Now now = base::Now::read();
    const std::size_t changed = lane.shared.ledger.set(order->what, order->setting, now);
    // `all` of an empty ledger is nothing to do; any other name must have meant something.
    if (changed == 0 && order->what != "all") {
        const bool known = std::ranges::any_of(
            lane.shared.ledger.lines(now), [&](const Line& l) { return concerns(l, order->what); });
        co_return co_await reply(exchange,
                                 known ? ceiling_unknown(order->what) : no_such_limit(order->what));
    }
    json::object answer;
    answer["changed"] = changed;
    co_await reply(exchange, 200, std::move(answer));
}

}  // namespace

net::Task<> list_quota(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const base::Now now = base::Now::read();
    co_await reply(exchange, 200, listing(lane.shared.ledger.lines(now), now));
}

net::Task<> show_quota(gateway::Lane& lane, net::Exchange& exchange, std::string rest) {
    const base::Now now = base::Now::read();
    std::vector<Line> lines = lane.shared.ledger.lines(now);
    std::erase_if(lines, [&](const Line& line) { return !concerns(line, rest); });
    if (lines.empty()) co_return co_await reply(exchange, no_such_limit(rest));
    co_await reply(exchange, 200, listing(lines, now));
}

net::Task<> reset_quota(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    return act(lane, exchange, read_reset);
}

net::Task<> set_quota(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    return act(lane, exchange, read_setting);
}

}  // namespace admin
