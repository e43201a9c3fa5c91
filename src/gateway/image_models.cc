#include "gateway/image_models.h"

namespace gateway {
namespace {

struct Names {
    std::string_view prefix;  ///< of the aliases
    std::string_view usual;   ///< the key of who draws where no model is named
};

Names names_of(ImageSet set) {
    if (set == ImageSet::cpu) return {"local-sdcpp-cpu-", "sd-turbo"};
    return {"local-sdcpp-cuda-", "flux-schnell"};
}

template <class Wanted>
std::vector<const config::Target*> models_of(const config::Catalog& catalog, ImageSet set,
                                             Wanted wanted) {
    const std::string_view prefix = names_of(set).prefix;
    std::vector<const config::Target*> models;
    for (const config::Target& target : catalog.targets)
        if (wanted(target) && target.left_out.empty() &&
            target.mode == config::Mode::image_generation && target.alias.starts_with(prefix))
            models.push_back(&target);
    return models;
}

}  // namespace

std::vector<const config::Target*> image_models(const config::Catalog& catalog, ImageSet set) {
    return models_of(catalog, set, [](const config::Target& one) { return bool(one.engine); });
}

std::vector<const config::Target*> wrapped_models(const config::Catalog& catalog, ImageSet set) {
    return models_of(catalog, set, [](const config::Target& one) {
        return !one.engine && one.service == "sdcpp" && !one.base.host.empty();
    });
}

ImageSet usual_set(const config::Catalog& catalog) {
    const auto any = [&](ImageSet set) {
        return !image_models(catalog, set).empty() || !wrapped_models(catalog, set).empty();
    };
    return !any(ImageSet::cpu) && any(ImageSet::cuda) ? ImageSet::cuda : ImageSet::cpu;
}

std::string_view image_key(const config::Target& target, ImageSet set) {
    return std::string_view(target.alias).substr(names_of(set).prefix.size());
}

const config::Target* image_model(const std::vector<const config::Target*>& models, ImageSet set,
                                  std::string_view name) {
    constexpr std::string_view kOpenAi = "openai/";
    const auto [prefix, usual] = names_of(set);
    if (name.starts_with(kOpenAi)) name.remove_prefix(kOpenAi.size());
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    const std::string_view wanted = name.empty() ? usual : name;
    for (const config::Target* model : models)
        if (image_key(*model, set) == wanted) return model;
    return name.empty() && !models.empty() ? models.front() : nullptr;
}

}  // namespace gateway
