#pragma once

#include "base/provider.h"
#include "config/catalog.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// What a LiteLLM model prefix stands for.
struct KnownProvider {
    std::string_view prefix;
    base::Provider provider = base::Provider::openai_compatible;
    std::string_view url;                     ///< empty: the file must name an api_base
    std::vector<std::string_view> key_names;  ///< variables asked in turn when api_key is absent
    bool key_required = true;
    std::vector<std::string_view> base_names;  ///< variables asked in turn when api_base is absent
};

/// nullptr for a prefix that is not in the table.
const KnownProvider* known_provider(std::string_view prefix);

/// Prefixes that LiteLLM knows and that need a protocol we do not speak.
bool foreign_provider(std::string_view prefix);

/// The prefix that LiteLLM takes for a bare model id (`gpt-…` is openai), or nothing.
std::string_view implied_prefix(std::string_view model);

/// `groq` -> Provider::groq.
std::optional<base::Provider> provider_named(std::string_view name);

/// The tier of a well-known flag, for fragments that state none.
std::optional<Tier> tier_of_flag(std::string_view flag);

}  // namespace config
