#pragma once

#include "config/catalog.h"
#include "config/findings.h"
#include "config/value.h"

#include <optional>

namespace config {

/// `cache` and `cache_params` of litellm_settings.
CacheSettings read_cache_settings(const Value& litellm, Findings& findings);

/// `cache: true`, `cache: false` or `cache: {ttl: 10m}` of a model_info.
std::optional<CacheChoice> read_cache_choice(const Value& info, Findings& findings);

}  // namespace config
