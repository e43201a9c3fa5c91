#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "admin/pulls_json.h"

#include <set>

namespace admin {

namespace json = boost::json;

namespace {

/// Targets of a group are told apart by a number that nobody asked for.
json::array aliases(const base::Pull& pull) {
    std::set<std::string> names;
    for (const std::string& target : pull.targets) names.insert(target.substr(0, target.find('#')));
    return json::array(names.begin(), names.end());
}

json::object row_of(const base::Pull& pull, base::Time now) {
    json::object row;
    row["model"] = pull.model;
    row["service"] = pull.service;
    row["aliases"] = aliases(pull);
    row["state"] = base::name(pull.state);
    row["done_bytes"] = pull.done;
    row["total_bytes"] = pull.total ? json::value(*pull.total) : json::value(nullptr);
    row["rate"] = static_cast<std::uint64_t>(pull.rate);
    const auto left = pull.left(now);
    row["eta_s"] = left ? json::value((left->count() + 999) / 1000) : json::value(nullptr);
    row["error"] = pull.error.empty() ? json::value(nullptr) : json::value(pull.error);
    row["text"] = pull.text(now);
    return row;
}

}  // namespace

json::array pulls_json(const base::Pulls* pulls, base::Time now) {
    json::array list;
    if (pulls)
        for (const base::Pull& pull : pulls->list()) list.push_back(row_of(pull, now));
    return list;
}

net::Task<> list_pulls(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    json::object body;
    body["object"] = "list";
    body["data"] = pulls_json(lane.shared.pulls.all().get(), base::Clock::now());
    co_await reply(exchange, 200, std::move(body));
}

}  // namespace admin
