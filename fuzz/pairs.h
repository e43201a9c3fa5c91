#pragma once

#include "llm/dialect.h"

#include <array>

/// Every client's protocol, and how many providers there are: together all pairs.
namespace fuzz {

inline constexpr std::array kEndpoints{llm::Endpoint::chat,        llm::Endpoint::completion,
                                       llm::Endpoint::responses,   llm::Endpoint::messages,
                                       llm::Endpoint::ollama_chat, llm::Endpoint::ollama_generate};
inline constexpr std::size_t kProviders =
    static_cast<std::size_t>(base::Provider::openai_compatible) + 1;

}  // namespace fuzz
