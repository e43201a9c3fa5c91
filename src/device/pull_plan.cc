#include "device/pull_plan.h"

#include "device/fetch.h"

#include <algorithm>

namespace device {
namespace {

bool is_url(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

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

void add_files(const config::Target& target, const config::Environment& environment,
               const std::string& data_dir, PullPlan& plan) {
    for (const std::string& word : target.engine->command) {
        if (!is_url(word)) continue;
        const std::string destination = model_file(data_dir, word, target.engine->models);
        auto file = std::ranges::find(plan.files, destination, &PullPlan::File::destination);
        if (file == plan.files.end()) {
            const bool named = word == environment.get("LLAMACPP_MODEL");
            const std::string_view sum =
                named ? environment.get("LLAMACPP_MODEL_SHA256") : std::string_view();
            file = plan.files.insert(file, {word, destination, std::string(sum), {}});
        }
        file->targets.push_back(target.id);
    }
}

}  // namespace

PullPlan pull_plan(const config::Catalog& catalog, const config::Environment& environment,
                   const std::string& data_dir, std::string_view alias) {
    PullPlan plan;
    for (const config::Target& target : catalog.targets) {
        if (!target.left_out.empty() || (!alias.empty() && target.alias != alias)) continue;
        if (target.engine)
            add_files(target, environment, data_dir, plan);
        else if (target.provider == base::Provider::ollama)
            add_model(target, plan);
    }
    return plan;
}

}  // namespace device
