#pragma once

#include <string_view>

namespace base {

/// Whose rules an upstream follows on the wire. `openai_compatible` is any
/// `openai/…` target with its own api_base: claudebox, pibox, talkies, sdcpp,
/// llama.cpp, vLLM.
enum class Provider {
    groq,
    cerebras,
    openrouter,
    huggingface,
    mistral,
    cohere,
    anthropic,
    openai,
    ollama,
    openai_compatible,
};

constexpr std::string_view name(Provider provider) {
    switch (provider) {
        case Provider::groq: return "groq";
        case Provider::cerebras: return "cerebras";
        case Provider::openrouter: return "openrouter";
        case Provider::huggingface: return "huggingface";
        case Provider::mistral: return "mistral";
        case Provider::cohere: return "cohere";
        case Provider::anthropic: return "anthropic";
        case Provider::openai: return "openai";
        case Provider::ollama: return "ollama";
        case Provider::openai_compatible: return "openai_compatible";
    }
    return "unknown";
}

}  // namespace base
