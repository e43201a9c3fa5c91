#include "device/pull_plan.h"

#include "config/engine_block.h"
#include "device/engine_files.h"

#include <algorithm>

namespace device {
namespace {

OllamaService service_of(const config::Target& target) {
    std::string headers = "User-Agent: freeway\r\nContent-Type: application/json\r\n";
    for (const auto& [name, value] : target.headers) net::append_header(headers, name, value);
    if (!target.key.empty())
        net::append_header(headers, "Authorization", "Bearer " + std::string(target.key.reveal()));
    return {net::Origin({target.base.tls, target.base.host, target.base.port}), target.base.path,
            std::move(headers)};
}

void add_model(const config::Target& target, PullPlan& plan) {
    if (target.model.contains('*') || target.base.host.ends_with("ollama.com")) return;
    const std::string url = target.base.text();
    auto service = std::ranges::find(plan.services, url, &PullPlan::Service::url);
    if (service == plan.services.end())
        service = plan.services.insert(service, {url, service_of(target), {}});
    const std::string name = ollama_name(target.model);
    auto model = std::ranges::find(service->models, name, &PullPlan::Model::name);
    if (model == service->models.end()) model = service->models.insert(model, {name, {}, {}});
    model->targets.push_back(target.id);
    if (target.capabilities.stated || target.max_input_tokens)
        model->claims.push_back({target.id, target.capabilities, target.max_input_tokens});
}

void add_files(const config::Target& target, const EngineFiles& files, const std::string& data_dir,
               PullPlan& plan) {
    const std::vector<std::string> sharing = files.sharing(*target.engine);
    for (const std::string& word : files.command(*target.engine)) {
        if (!config::is_url(word)) continue;
        ModelFile what = model_file(data_dir, word, target.engine->models);
        what.shared = std::ranges::find(sharing, word) != sharing.end();
        auto file = std::ranges::find_if(
            plan.files, [&](const PullPlan::File& known) { return known.what.agrees(what); });
        if (file == plan.files.end())
            file = plan.files.insert(file, {std::move(what), {}});
        else if (file->what.sha256.empty())
            file->what.sha256 = what.sha256;
        file->targets.push_back(target.id);
    }
}

}  // namespace

PullPlan pull_plan(const config::Catalog& catalog, const config::Environment& environment,
                   const std::string& data_dir, std::string_view alias) {
    PullPlan plan;
    const EngineFiles files(catalog, environment);
    for (const config::Target& target : catalog.targets) {
        if (!target.left_out.empty() || (!alias.empty() && target.alias != alias)) continue;
        if (target.engine)
            add_files(target, files, data_dir, plan);
        else if (target.provider == base::Provider::ollama)
            add_model(target, plan);
    }
    return plan;
}

}  // namespace device
