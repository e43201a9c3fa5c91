#include "admin/endpoints.h"
#include "admin/json_reply.h"
#include "base/units.h"
#include "route/ability.h"

#include <map>
#include <vector>

namespace admin {

namespace json = boost::json;

namespace {

/// Of the interface as it is served here.
constexpr std::string_view kVersion = "0.20.7";
/// An alias has no date: one constant.
constexpr base::WallTime kModified{std::chrono::seconds(1'767'225'600)};
/// Of a model that nobody is known to send away.
constexpr std::string_view kNever = "2318-01-01T00:00:00Z";

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
json::array capabilities(const config::Alias& alias, const config::Target& target,
                         const base::FactTable* facts) {
    if (alias.mode == config::Mode::embedding) return {"embedding"};
    json::array out{"completion"};
    const config::Capabilities can = route::ability(target, facts);
    if (can.tools || !can.stated) out.push_back("tools");
    if (can.vision) out.push_back("vision");
    if (can.reasoning) out.push_back("thinking");
    return out;
}

json::object model_info(const config::Target& target, const base::FactTable* facts) {
    json::object out{{"general.architecture", family(target)}};
    if (const auto tokens = route::window(target, facts))
        out[std::string(family(target)) + ".context_length"] = *tokens;
    return out;
}

/// What one loaded model takes, over all devices.
struct Held {
    std::uint64_t size = 0;
    std::uint64_t vram = 0;
    base::Duration idle{0};
    std::string expires{};  ///< as its engine says it; empty: unsaid
};
using Loaded = std::map<device::ModelKey, Held>;

Loaded loaded_on(const std::vector<device::DeviceReport>& devices) {
    Loaded found;
    for (const device::DeviceReport& device : devices) {
        for (const auto& model : device.view.models) {
            if (!model.loaded) continue;
            Held& held = found[model.key];
            held.size += model.bytes;
            if (device.name != "cpu") held.vram += model.bytes;
            held.idle = model.idle;
        }
    }
    for (const device::DeviceReport& device : devices)
        for (const auto& engine : device.engines)
            for (const auto& [model, time] : engine.expires)
                if (const auto held = found.find({engine.key, model}); held != found.end())
                    held->second.expires = time;
    return found;
}

/// When the model goes by itself: its engine's word, or our own engine's idle time.
std::string expiry(const config::Target& target, const Held& held) {
    if (!held.expires.empty()) return held.expires;
    if (!target.engine || target.engine->ttl.count() == 0) return std::string(kNever);
    return base::rfc3339(base::WallClock::now() + target.engine->ttl - held.idle);
}

json::object running(const config::Alias& alias, const config::Target& target, const Held& held) {
    return {{"name", alias.name},         {"model", alias.name},
            {"size", held.size},          {"digest", ""},
            {"details", details(target)}, {"expires_at", expiry(target, held)},
            {"size_vram", held.vram}};
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
    const auto facts = lane.shared.facts.all();
    co_await reply(exchange, 200,
                   json::object{{"license", ""},
                                {"modelfile", ""},
                                {"parameters", ""},
                                {"template", ""},
                                {"details", details(target)},
                                {"model_info", model_info(target, facts.get())},
                                {"capabilities", capabilities(*alias, target, facts.get())},
                                {"modified_at", base::rfc3339(kModified)}});
}

net::Task<> ollama_ps(gateway::Lane& lane, net::Exchange& exchange, std::string) {
    const Loaded loaded =
        loaded_on(co_await lane.shared.devices->report(lane.worker.loop.get_executor()));
    const config::Snapshot catalog = lane.catalog();
    json::array models;
    for (const config::Alias& alias : catalog->aliases) {
        if (!listed(*catalog, alias)) continue;
        for (const std::size_t index : alias.targets) {
            const config::Target& target = catalog->targets[index];
            const auto& use = lane.ways->to(target).use;
            const auto held = use ? loaded.find(use->need.key) : loaded.end();
            if (held == loaded.end()) continue;
            models.push_back(running(alias, target, held->second));
            break;
        }
    }
    co_await reply(exchange, 200, json::object{{"models", std::move(models)}});
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
