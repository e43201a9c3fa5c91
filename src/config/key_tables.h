#pragma once

#include "config/known_keys.h"

#include <span>
#include <string_view>

namespace config {

/// A key, and what a user must know when it does not act (empty: it acts).
struct Key {
    std::string_view name;
    std::string_view note{};
};

/// The keys of one section. LiteLLM reads most router keys from litellm_settings
/// too; they are listed under router_settings only.
std::span<const Key> keys_of(Section section);

/// Parameters of request bodies: OpenAI's, those that compatible servers add,
/// and Ollama's options.
std::span<const std::string_view> body_parameters();

}  // namespace config
