#pragma once

#include "config/findings.h"
#include "config/value.h"

#include <string_view>

namespace config {

/// The mappings of a LiteLLM file (and of a fragment) whose keys we know.
enum class Section {
    top,
    model_entry,
    litellm_params,
    litellm_settings,
    router_settings,
    general_settings,
    fragment,
};
std::string_view name(Section section);

/// One warning for every key of `map` that does not act here: accepted without
/// effect, belonging elsewhere, or unknown.
void check_keys(const Value& map, Section section, Findings& findings);

/// A litellm_params key that goes into the body of every request (temperature, num_ctx …).
bool is_body_parameter(std::string_view key);

}  // namespace config
