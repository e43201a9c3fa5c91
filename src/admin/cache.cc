#include "admin/endpoints.h"
#include "admin/json_reply.h"

namespace admin {

namespace json = boost::json;

net::Task<> show_cache(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const store::AnswerCache::Counts counts = lane.shared.answers.counts();
    json::object body;
    body["status"] = "healthy";
    body["answers"] = counts.answers;
    body["bytes"] = counts.bytes;
    body["most_bytes"] = counts.most_bytes;
    body["hits"] = counts.hits;
    body["misses"] = counts.misses;
    body["stored"] = counts.stored;
    body["evicted"] = counts.evicted;
    body["on_disk"] = lane.shared.store && lane.catalog()->settings.cache.on_disk;
    co_await reply(exchange, 200, std::move(body));
}

net::Task<> clear_cache(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    lane.shared.answers.clear();
    if (lane.shared.store) lane.shared.store->clear_answers();
    json::object body;
    body["cleared"] = "all";
    co_await reply(exchange, 200, std::move(body));
}

}  // namespace admin
