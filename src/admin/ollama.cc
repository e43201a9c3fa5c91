#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "base/units.h"

namespace admin {

namespace json = boost::json;

namespace {

/// Of the interface as it is served here.
constexpr std::string_view kVersion = "0.20.7";
/// An alias has no date: one constant.
constexpr base::WallTime kModified{std::chrono::seconds(1'767'225'600)};

json::object failure(std::string text) { return {{"error", std::move(text)}}; }

/// Models of those kinds that Ollama's clients know what to do with.
bool known_kind(const config::Alias& alias) {
    return alias.mode == config::Mode::chat || alias.mode == config::Mode::embedding;
}

std::string_view family(const config::Target& target) { return base::name(target.provider); }

json::object details(const config::Target& target) {
    return {{"parent_model", ""},       {"format", ""},
            {"family", family(target)}, {"families", json::array{json::string(family(target))}},
            {"parameter_size", ""},     {"quantization_level", ""}};
}

/// A target whose configuration says nothing is refused nothing.
json::array capabilities(const config::Alias& alias, const config::Target& target) {
    if (alias.mode == config::Mode::embedding) return {"embedding"};
    json::array out{"completion"};
    const config::Capabilities& can = target.capabilities;
    if (can.tools || !can.stated) out.push_back("tools");
    if (can.vision) out.push_back("vision");
    if (can.reasoning) out.push_back("thinking");
    return out;
}

json::object model_info(const config::Target& target) {
    json::object out{{"general.architecture", family(target)}};
    if (target.max_input_tokens)
        out[std::string(family(target)) + ".context_length"] = *target.max_input_tokens;
    return out;
}

}  // namespace

net::Task<> ollama_tags(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const config::Snapshot catalog = lane.catalog();
    json::array models;
    for (const config::Alias& alias : catalog->aliases) {
        if (!known_kind(alias) || !listed(*catalog, alias)) continue;
        models.push_back(
            json::object{{"name", alias.name},
                         {"model", alias.name},
                         {"modified_at", base::rfc3339(kModified)},
                         {"size", 0},
                         {"digest", std::string(64, '0')},
                         {"details", details(catalog->targets[alias.targets.front()])}});
    }
    co_await reply(exchange, 200, json::object{{"models", std::move(models)}});
}

net::Task<> ollama_show(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const config::Snapshot catalog = lane.catalog();
    auto body = co_await exchange.read_body(catalog->settings.max_body_bytes);
    if (!body) co_return co_await reply(exchange, 400, failure(body.error().detail));
    boost::system::error_code broken;
    const json::value asked = json::parse(*body, broken);
    const json::object* members = broken ? nullptr : asked.if_object();
    const json::value* name = members ? members->if_contains("model") : nullptr;
    if (members && !name) name = members->if_contains("name");
    if (!name || !name->is_string())
        co_return co_await reply(exchange, 400, failure("`model` must be a string"));
    const std::string wanted(name->as_string());
    const config::Alias* alias = catalog->find(wanted);
    if (!alias || alias->targets.empty())
        co_return co_await reply(exchange, 404,
                                 failure("model '" + base::shown(wanted, 200) + "' not found"));
    const config::Target& target = catalog->targets[alias->targets.front()];
    co_await reply(exchange, 200,
                   json::object{{"license", ""},
                                {"modelfile", ""},
                                {"parameters", ""},
                                {"template", ""},
                                {"details", details(target)},
                                {"model_info", model_info(target)},
                                {"capabilities", capabilities(*alias, target)},
                                {"modified_at", base::rfc3339(kModified)}});
}

net::Task<> ollama_ps(gateway::Lane&, net::Exchange& exchange, std::string) {
    co_await reply(exchange, 200, json::object{{"models", json::array()}});
}

net::Task<> ollama_version(gateway::Lane&, net::Exchange& exchange, std::string) {
    co_await reply(exchange, 200, json::object{{"version", kVersion}});
}

net::Task<> ollama_fixed(gateway::Lane&, net::Exchange& exchange, std::string) {
    co_await reply(exchange, 501,
                   failure("models are named in freeway's configuration, not pulled, made or "
                           "deleted through it; GET /api/tags lists them"));
}

net::Task<> front_door(gateway::Lane&, net::Exchange& exchange, std::string) {
    // Another host or a query in the target asks for something else.
    if (exchange.head.target != "/")
        co_return co_await reply(
            exchange,
            {404, "There is nothing there.", "invalid_request_error", "not_found", {}, {}});
    co_await exchange.respond(200, {}, "text/plain", "freeway is running\n");
}

}  // namespace admin
