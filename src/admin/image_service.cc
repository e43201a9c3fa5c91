#include "admin/image_service.h"

#include "admin/image_wrapper.h"
#include "admin/json_reply.h"
#include "admin/percent.h"
#include "base/units.h"
#include "llm/image_fields.h"
#include "llm/json.h"

#include <optional>

namespace admin {
namespace {

namespace json = boost::json;
using base::ErrorKind;
using config::Target;
using device::EngineState;
using device::EngineStatus;
using gateway::ImageSet;
using gateway::Lane;
using net::Exchange;

/// For an engine to go once it was told to.
constexpr base::Duration kGoing{30'000};
/// Beyond the engine's own start_timeout: what ran before has to go first.
constexpr base::Duration kSwap{30'000};

/// One model and how its engine is.
struct Model {
    const Target* target;
    EngineStatus status;
    bool running() const { return status.pid != 0; }
    bool loading() const { return status.state == EngineState::starting; }
    bool loaded() const { return status.state == EngineState::ready; }
    bool generating() const { return loaded() && status.leases > 0; }
};

/// The set's models, behind all that was asked of them before; `catalog` outlives them.
net::Task<std::vector<Model>> models_now(Lane& lane, const config::Catalog& catalog, ImageSet set) {
    co_await lane.shared.engines->settle(lane.worker.loop.get_executor());
    const std::vector<EngineStatus> all = lane.shared.engines->status();
    std::vector<Model> models;
    for (const Target* target : gateway::image_models(catalog, set)) {
        Model model{target, {}};
        for (const EngineStatus& status : all)
            if (status.name == target->id) model.status = status;
        models.push_back(std::move(model));
    }
    co_return models;
}

/// The one that has a process, or is about to.
const Model* current(const std::vector<Model>& models) {
    for (const Model& model : models)
        if (model.running() || model.loading()) return &model;
    return nullptr;
}

json::value size_of(const Target& target) {
    for (const auto& [member, text] : target.defaults) {
        if (member != "size") continue;
        const auto size = llm::image_size(llm::json::text(text).value_or(""));
        if (size) return json::array{size->width, size->height};
    }
    return nullptr;
}

/// Without the program: what tells this model from another.
json::array arguments_of(const Target& target) {
    json::array list;
    for (std::size_t i = 1; i < target.engine->command.size(); ++i)
        list.emplace_back(target.engine->command[i]);
    return list;
}

json::object status_json(const std::vector<Model>& models, ImageSet set) {
    const Model* now = current(models);
    const bool loaded = now && now->loaded();
    json::object body;
    body["loaded"] = loaded;
    body["loading"] = now && now->loading();
    body["current_model"] = loaded ? gateway::image_key(*now->target, set) : std::string_view();
    if (loaded) {
        body["current_model_args"] = arguments_of(*now->target);
        if (json::value size = size_of(*now->target); !size.is_null())
            body["current_model_size"] = std::move(size);
    }
    body["generating"] = now && now->generating();
    body["process_running"] = now && now->running();
    body["process_pid"] = now ? now->status.pid : 0;
    const Target& shown = *(now ? now->target : models.front().target);
    body["idle_timeout"] = shown.engine->ttl.count() / 1000;
    body["supports_img"] = false;
    json::array keys;
    for (const Model& model : models) keys.emplace_back(gateway::image_key(*model.target, set));
    body["models"] = std::move(keys);
    return body;
}

json::object load_failure(const base::Error& error) {
    if (error.kind == ErrorKind::busy) return image_failure(error.detail, "busy");
    if (error.kind == ErrorKind::refused) return image_failure(error.detail, "cancelled");
    return image_failure("load failed: " + error.detail, "load_failed");
}

json::object about(std::string_view what, std::string_view key) {
    json::object body;
    body[what] = true;
    body["model"] = key;
    return body;
}

json::object not_done(std::string_view what, std::string_view reason) {
    json::object body;
    body[what] = false;
    body["reason"] = reason;
    return body;
}

net::Task<base::Result<void>> load(Lane& lane, const Target& target, net::AbortHandle& abort) {
    const base::Time by = base::Clock::now() + target.engine->start_timeout + kSwap;
    auto room = co_await image_room(lane, *lane.ways, target, by, abort);
    if (!room) co_return std::unexpected(room.error());
    auto lease =
        co_await lane.shared.engines->acquire(lane.worker.loop.get_executor(), target.id, by, abort,
                                              {.when_busy = device::WhenBusy::refuse});
    if (!lease) {
        room->failed();
        co_return std::unexpected(lease.error());
    }
    room->served();
    co_return base::Result<void>();
}

}  // namespace

net::Task<> show_image_service(Lane& lane, Exchange& exchange, ImageSet set) {
    const config::Snapshot catalog = lane.catalog();
    const std::vector<Model> models = co_await models_now(lane, *catalog, set);
    if (models.empty()) co_return co_await ask_image_wrapper(lane, exchange, set, "status");
    co_await reply(exchange, 200, status_json(models, set));
}

net::Task<> load_image_model(Lane& lane, Exchange& exchange, ImageSet set) {
    const config::Snapshot catalog = lane.catalog();
    const std::vector<Model> models = co_await models_now(lane, *catalog, set);
    if (models.empty()) co_return co_await ask_image_wrapper(lane, exchange, set, "load");
    const std::string wanted = query_member(exchange.head.query, "model");
    const Target* target = gateway::image_model(gateway::image_models(*catalog, set), set, wanted);
    if (!target)
        co_return co_await reply(
            exchange, 400,
            image_failure("unknown model: " + base::shown(wanted, 200), "unknown_model"));
    const std::string_view key = gateway::image_key(*target, set);
    for (const Model& model : models)
        if (model.target == target && model.loaded())
            co_return co_await reply(exchange, 200, about("already_loaded", key));

    const Model* const now = current(models);
    if (now && (now->loading() || now->generating()))
        co_return co_await reply(
            exchange, 503,
            image_failure("the service is busy: another load or generation is in progress",
                          "busy"));
    base::Result<void> loaded;
    {
        HangupWatch watch(exchange);
        loaded = co_await load(lane, *target, watch.abort);
    }
    if (exchange.gone()) co_return;
    if (!loaded) co_return co_await reply(exchange, 503, load_failure(loaded.error()));
    co_await reply(exchange, 200, about("loaded", key));
}

net::Task<> unload_image_model(Lane& lane, Exchange& exchange, ImageSet set) {
    const config::Snapshot catalog = lane.catalog();
    const std::vector<Model> models = co_await models_now(lane, *catalog, set);
    if (models.empty()) co_return co_await ask_image_wrapper(lane, exchange, set, "unload");
    const Model* now = current(models);
    if (!now) {
        json::object body;
        body["already_unloaded"] = true;
        co_return co_await reply(exchange, 200, std::move(body));
    }
    const std::string_view reason = now->loading() ? "loading" : "generating";
    const auto gone = co_await lane.shared.engines->unload(
        lane.worker.loop.get_executor(), now->target->id, base::Clock::now() + kGoing);
    if (gone)
        co_return co_await reply(exchange, 200,
                                 about("unloaded", gateway::image_key(*now->target, set)));
    if (gone.error().kind == ErrorKind::refused)
        co_return co_await reply(exchange, 409, not_done("unloaded", reason));
    co_await reply(exchange, 503, image_failure(gone.error().detail, "unload_failed"));
}

net::Task<> cancel_image(Lane& lane, Exchange& exchange, ImageSet set) {
    const config::Snapshot catalog = lane.catalog();
    const std::vector<Model> models = co_await models_now(lane, *catalog, set);
    if (models.empty()) co_return co_await ask_image_wrapper(lane, exchange, set, "cancel");
    const Model* now = current(models);
    if (!now || !(now->loading() || now->generating()))
        co_return co_await reply(exchange, 200,
                                 not_done("cancelled", "nothing is being loaded or drawn"));
    const auto gone = co_await lane.shared.engines->kill(
        lane.worker.loop.get_executor(), now->target->id, base::Clock::now() + kGoing);
    if (!gone)
        co_return co_await reply(exchange, 503, image_failure(gone.error().detail, "not_gone"));
    json::object body;
    body["cancelled"] = true;
    co_await reply(exchange, 200, std::move(body));
}

}  // namespace admin
