#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "gateway/serve.h"
#include "route/ability.h"

#include <algorithm>

namespace admin {

namespace json = boost::json;

namespace {

/// OpenAI's member `created` has no meaning for an alias: one constant.
constexpr std::int64_t kCreated = 1'767'225'600;

json::array words(const config::Capabilities& c) {
    json::array list;
    const auto add = [&](bool has, std::string_view word) {
        if (has) list.push_back(json::string(word));
    };
    add(c.streaming, "streaming");
    add(c.tools, "tools");
    add(c.vision, "vision");
    add(c.audio_input, "audio_input");
    add(c.documents, "documents");
    add(c.reasoning, "reasoning");
    add(c.json_schema, "json_schema");
    add(c.diarization, "diarization");
    add(c.agent, "agent");
    return list;
}

/// What the target can do, where its configuration or its service says it.
void describe_ability(const config::Target& target, const base::FactTable* facts,
                      json::object& out) {
    if (target.capabilities.stated) {
        out["capabilities"] = words(target.capabilities);
    } else if (const base::ModelFacts* said = route::learned(target, facts)) {
        out["capabilities"] =
            words({.tools = said->tools, .vision = said->vision, .reasoning = said->thinking});
        out["capabilities_from"] = "service";
    }
    if (const auto tokens = route::window(target, facts)) out["max_input_tokens"] = *tokens;
}

json::object describe(const config::Catalog& catalog, const config::Alias& alias,
                      const base::FactTable* facts) {
    json::object out;
    out["id"] = alias.name;
    out["object"] = "model";
    out["created"] = kCreated;
    out["mode"] = config::name(alias.mode);
    if (alias.targets.empty()) {
        out["owned_by"] = "freeway";
        return out;
    }
    const config::Target& target = catalog.targets[alias.targets.front()];
    out["owned_by"] = base::name(target.provider);
    out["tier"] = config::name(target.tier);
    describe_ability(target, facts, out);
    if (target.max_output_tokens) out["max_output_tokens"] = *target.max_output_tokens;
    out["fallbacks"] = json::array(alias.chain.begin(), alias.chain.end());
    return out;
}

}  // namespace

bool listed(const config::Catalog& catalog, const config::Alias& alias) {
    return !alias.hidden &&
           std::any_of(alias.targets.begin(), alias.targets.end(),
                       [&](std::size_t index) { return catalog.targets[index].left_out.empty(); });
}

net::Task<> list_models(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const config::Snapshot catalog = lane.catalog();
    const auto facts = lane.shared.facts.all();
    json::array data;
    for (const config::Alias& alias : catalog->aliases)
        if (listed(*catalog, alias)) data.push_back(describe(*catalog, alias, facts.get()));
    json::object body;
    body["object"] = "list";
    body["data"] = std::move(data);
    co_await reply(exchange, 200, std::move(body));
}

net::Task<> show_model(gateway::Lane& lane, net::Exchange& exchange, std::string rest) {
    const config::Snapshot catalog = lane.catalog();
    const config::Alias* alias = catalog->find(rest);
    if (!alias) co_return co_await reply(exchange, gateway::unknown_model(*catalog, rest));
    co_await reply(exchange, 200, describe(*catalog, *alias, lane.shared.facts.all().get()));
}

}  // namespace admin
