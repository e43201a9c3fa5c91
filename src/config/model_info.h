#pragma once

#include "config/catalog.h"
#include "config/findings.h"
#include "config/value.h"
#include "config/variables.h"

#include <vector>

namespace config {

/// The items of `limits` that can be used; the others are reported.
std::vector<Limit> read_limits(const Value& list, Findings& findings);

/// A key that model_info is read for.
bool is_info_key(std::string_view key);

/// What model_info says of a target: LiteLLM's keys and ours. With `strict`
/// every unknown key is reported; LiteLLM itself allows any.
void read_model_info(const Value& info, bool strict, Target& target, Findings& findings);

/// LiteLLM's prices, which may stand in model_info and in litellm_params.
void read_prices(const Value& map, Target& target, Findings& findings);

/// `provider` of model_info names whose wire rules hold where the model's prefix
/// and base would say otherwise: `openai` behind another host.
void pin_provider(const Value& info, bool strict, Target& target, Findings& findings);

/// `service` of model_info: what loads the target's model. To be called once its provider is known.
void read_service(const Value& info, Target& target, Findings& findings);

/// Whether sd-server's tag in a prompt reaches it: `allow_extra_args` of model_info, else what
/// SDCPP_ALLOW_EXTRA_ARGS says for all models of stable-diffusion.cpp. To be called once its
/// service is known.
void read_extra_args(const Value& info, const Variables& variables, Target& target,
                     Findings& findings);

/// cpu, cuda or empty, by the prefix of an alias.
std::string device_of_alias(std::string_view alias);

}  // namespace config
