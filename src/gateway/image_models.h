#pragma once

#include "config/catalog.h"

#include <string_view>
#include <vector>

namespace gateway {

/// The two sets of models that stable-diffusion.cpp draws with. Each is one image service: one of
/// its models is loaded at a time.
enum class ImageSet { cpu, cuda };

/// The models of a set that freeway runs itself, in the order of the configuration. Empty: none,
/// or a server elsewhere draws with them.
std::vector<const config::Target*> image_models(const config::Catalog& catalog, ImageSet set);

/// Those of a set that a wrapper elsewhere draws with.
std::vector<const config::Target*> wrapped_models(const config::Catalog& catalog, ImageSet set);

/// The set that `/sdcpp` means: the CPU's, or the only one that there is.
ImageSet usual_set(const config::Catalog& catalog);

/// A model as its service names it: `sd-turbo` for the alias `local-sdcpp-cpu-sd-turbo`.
std::string_view image_key(const config::Target& target, ImageSet set);

/// The one of `models` that goes by `name`: its key or its alias, `openai/` before it or not; an
/// empty name is the set's usual one. nullptr: none does.
const config::Target* image_model(const std::vector<const config::Target*>& models, ImageSet set,
                                  std::string_view name);

}  // namespace gateway
