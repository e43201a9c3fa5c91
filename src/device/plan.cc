#include "device/plan.h"

#include "net/http1.h"

namespace device {
namespace {

/// stable-diffusion.cpp and talkies hold one model, and work on one request at a time.
bool holds_one_model(const config::Target& target) {
    return target.service == "sdcpp" || target.service == "talkies";
}

int slots_of(const config::Target& target) {
    return target.slots > 0 ? target.slots : holds_one_model(target) ? 1 : 0;
}

Priority priority_of(config::Mode mode) {
    switch (mode) {
        case config::Mode::chat:
        case config::Mode::completion: return Priority::chat;
        case config::Mode::image_generation: return Priority::image;
        default: return Priority::quick;
    }
}

EngineSite::Kind kind_of(const config::Target& target) {
    if (target.engine) return EngineSite::Kind::own;
    if (target.service == "ollama") return EngineSite::Kind::ollama;
    if (target.service == "talkies") return EngineSite::Kind::talkies;
    if (target.service == "sdcpp") return EngineSite::Kind::sdcpp;
    return EngineSite::Kind::unknown;
}

/// The name under which the engine lists the model: stable-diffusion.cpp's wrapper leaves out the
/// prefix that it takes.
std::string model_of(const config::Target& target) {
    if (target.engine) return target.id;
    if (target.service == "sdcpp")
        for (const std::string_view prefix : {"local-sdcpp-cpu-", "local-sdcpp-cuda-"})
            if (target.model.starts_with(prefix)) return target.model.substr(prefix.size());
    if (target.service == "ollama" && target.model.find(':') == std::string::npos)
        return target.model + ":latest";
    return target.model;
}

std::string engine_of(const config::Target& target) {
    if (target.engine) return "engine " + target.id;
    const net::Origin origin(net::Endpoint{target.base.tls, target.base.host, target.base.port});
    return (target.service.empty() ? "server" : target.service) + " " + origin.key;
}

EngineSite site_of(const config::Target& target) {
    EngineSite site{.key = engine_of(target), .kind = kind_of(target), .device = target.device};
    if (site.kind == EngineSite::Kind::own) return site;
    site.origin.emplace(net::Endpoint{target.base.tls, target.base.host, target.base.port});
    if (!target.key.empty())
        net::append_header(site.headers, "Authorization",
                           "Bearer " + std::string(target.key.reveal()));
    return site;
}

std::uint64_t bytes_of(const config::Target& target) {
    return static_cast<std::uint64_t>(target.memory_gb * 1e9);
}

}  // namespace

std::optional<Use> use_of(const config::Catalog& catalog, const config::Target& target) {
    if (target.device.empty()) return std::nullopt;
    const auto found = catalog.settings.devices.find(target.device);
    const config::DeviceSettings settings =
        found == catalog.settings.devices.end() ? config::DeviceSettings() : found->second;
    return Use{target.device,
               {.key = {engine_of(target), model_of(target)},
                .bytes = bytes_of(target),
                .slots = slots_of(target),
                .priority = priority_of(target.mode),
                .engine_models = holds_one_model(target) ? 1 : 0},
               settings.wait};
}

Plan plan_of(const config::Catalog& catalog) {
    Plan plan{.devices = catalog.settings.devices, .engines = {}};
    std::map<std::string, std::size_t> known;
    for (const config::Target& target : catalog.targets) {
        const bool nowhere = !target.engine && target.base.host.empty();
        if (target.device.empty() || nowhere) continue;
        plan.devices.try_emplace(target.device);
        const auto [at, fresh] = known.emplace(engine_of(target), plan.engines.size());
        if (fresh) plan.engines.push_back(site_of(target));
        EngineSite& site = plan.engines[at->second];
        // A service on a GPU may keep a small model in main memory; what it does not name is there.
        if (site.device == "cpu") site.device = target.device;
        site.models[model_of(target)] = {target.device, bytes_of(target)};
    }
    return plan;
}

}  // namespace device
