#include "config/providers.h"

#include <algorithm>
#include <array>
#include <utility>

namespace config {
namespace {

using base::Provider;

constexpr Provider kCompatible = Provider::openai_compatible;

const std::vector<KnownProvider>& table() {
    static const std::vector<KnownProvider> kTable = {
        {"groq",
         Provider::groq,
         "https://api.groq.com/openai/v1",
         {"GROQ_API_KEY"},
         true,
         {"GROQ_API_BASE"}},
        {"cerebras",
         Provider::cerebras,
         "https://api.cerebras.ai/v1",
         {"CEREBRAS_API_KEY"},
         true,
         {"CEREBRAS_API_BASE"}},
        {"openrouter",
         Provider::openrouter,
         "https://openrouter.ai/api/v1",
         {"OPENROUTER_API_KEY", "OR_API_KEY"},
         true,
         {"OPENROUTER_API_BASE"}},
        {"huggingface",
         Provider::huggingface,
         "https://router.huggingface.co/v1",
         {"HF_TOKEN", "HUGGINGFACE_API_KEY"},
         true,
         {"HF_API_BASE"}},
        {"mistral",
         Provider::mistral,
         "https://api.mistral.ai/v1",
         {"MISTRAL_API_KEY"},
         true,
         {"MISTRAL_API_BASE"}},
        {"cohere",
         Provider::cohere,
         "https://api.cohere.com",
         {"COHERE_API_KEY", "CO_API_KEY"},
         true,
         {"COHERE_API_BASE"}},
        {"cohere_chat",
         Provider::cohere,
         "https://api.cohere.com",
         {"COHERE_API_KEY", "CO_API_KEY"},
         true,
         {"COHERE_API_BASE"}},
        {"anthropic",
         Provider::anthropic,
         "https://api.anthropic.com",
         {"ANTHROPIC_API_KEY"},
         true,
         {"ANTHROPIC_API_BASE"}},
        {"openai",
         Provider::openai,
         "https://api.openai.com/v1",
         {"OPENAI_API_KEY"},
         true,
         {"OPENAI_BASE_URL", "OPENAI_API_BASE"}},
        {"text-completion-openai",
         Provider::openai,
         "https://api.openai.com/v1",
         {"OPENAI_API_KEY"},
         true,
         {"OPENAI_BASE_URL", "OPENAI_API_BASE"}},
        {"ollama",
         Provider::ollama,
         "http://localhost:11434",
         {"OLLAMA_API_KEY"},
         false,
         {"OLLAMA_API_BASE"}},
        {"ollama_chat",
         Provider::ollama,
         "http://localhost:11434",
         {"OLLAMA_API_KEY"},
         false,
         {"OLLAMA_API_BASE"}},
        {"hosted_vllm", kCompatible, "", {"HOSTED_VLLM_API_KEY"}, false, {"HOSTED_VLLM_API_BASE"}},
        {"vllm", kCompatible, "", {}, false, {}},
        {"lm_studio",
         kCompatible,
         "http://localhost:1234/v1",
         {"LM_STUDIO_API_KEY"},
         false,
         {"LM_STUDIO_API_BASE"}},
        {"llamafile",
         kCompatible,
         "http://127.0.0.1:8080/v1",
         {"LLAMAFILE_API_KEY"},
         false,
         {"LLAMAFILE_API_BASE"}},
        {"litellm_proxy",
         kCompatible,
         "",
         {"LITELLM_PROXY_API_KEY"},
         false,
         {"LITELLM_PROXY_API_BASE"}},
        {"custom_openai", kCompatible, "", {}, false, {}},
        {"custom", kCompatible, "", {}, false, {}},
        {"openai_like", kCompatible, "", {"OPENAI_LIKE_API_KEY"}, false, {"OPENAI_LIKE_API_BASE"}},
        {"deepseek",
         kCompatible,
         "https://api.deepseek.com/v1",
         {"DEEPSEEK_API_KEY"},
         true,
         {"DEEPSEEK_API_BASE"}},
        {"together_ai",
         kCompatible,
         "https://api.together.xyz/v1",
         {"TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"},
         true,
         {"TOGETHER_AI_API_BASE"}},
        {"fireworks_ai",
         kCompatible,
         "https://api.fireworks.ai/inference/v1",
         {"FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"},
         true,
         {"FIREWORKS_API_BASE"}},
        {"nvidia_nim",
         kCompatible,
         "https://integrate.api.nvidia.com/v1",
         {"NVIDIA_NIM_API_KEY"},
         true,
         {"NVIDIA_NIM_API_BASE"}},
        {"sambanova",
         kCompatible,
         "https://api.sambanova.ai/v1",
         {"SAMBANOVA_API_KEY"},
         true,
         {"SAMBANOVA_API_BASE"}},
        {"xai", kCompatible, "https://api.x.ai/v1", {"XAI_API_KEY"}, true, {"XAI_API_BASE"}},
        {"zai",
         kCompatible,
         "https://api.z.ai/api/paas/v4",
         {"ZAI_API_KEY"},
         true,
         {"ZAI_API_BASE"}},
        {"moonshot",
         kCompatible,
         "https://api.moonshot.ai/v1",
         {"MOONSHOT_API_KEY"},
         true,
         {"MOONSHOT_API_BASE"}},
        {"deepinfra",
         kCompatible,
         "https://api.deepinfra.com/v1/openai",
         {"DEEPINFRA_API_KEY"},
         true,
         {"DEEPINFRA_API_BASE"}},
        {"perplexity",
         kCompatible,
         "https://api.perplexity.ai",
         {"PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"},
         true,
         {"PERPLEXITY_API_BASE"}},
        {"gemini",
         kCompatible,
         "https://generativelanguage.googleapis.com/v1beta/openai",
         {"GEMINI_API_KEY", "GOOGLE_API_KEY"},
         true,
         {"GEMINI_API_BASE"}},
    };
    return kTable;
}

}  // namespace

const KnownProvider* known_provider(std::string_view prefix) {
    auto at = std::ranges::find(table(), prefix, &KnownProvider::prefix);
    return at == table().end() ? nullptr : &*at;
}

bool foreign_provider(std::string_view prefix) {
    constexpr std::array<std::string_view, 10> kForeign = {
        "azure",     "azure_ai",       "bedrock", "vertex_ai", "vertex_ai_beta",
        "sagemaker", "sagemaker_chat", "watsonx", "replicate", "predibase"};
    return std::ranges::find(kForeign, prefix) != kForeign.end();
}

std::string_view implied_prefix(std::string_view model) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kImplied = {{
        {"gpt-", "openai"},
        {"chatgpt-", "openai"},
        {"o1", "openai"},
        {"o3", "openai"},
        {"o4", "openai"},
        {"text-embedding-3", "openai"},
        {"text-embedding-ada", "openai"},
        {"dall-e-", "openai"},
        {"whisper-1", "openai"},
        {"tts-1", "openai"},
        {"claude-", "anthropic"},
        {"command-", "cohere_chat"},
        {"rerank-", "cohere"},
    }};
    for (auto [start, prefix] : kImplied) {
        if (model.starts_with(start)) return prefix;
    }
    return {};
}

std::optional<Provider> provider_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Provider::openai_compatible); ++i) {
        if (base::name(static_cast<Provider>(i)) == name) return static_cast<Provider>(i);
    }
    return std::nullopt;
}

std::optional<Tier> tier_of_flag(std::string_view flag) {
    constexpr std::array<std::pair<std::string_view, Tier>, 18> kTiers = {{
        {"GROQ", Tier::free},
        {"CEREBRAS", Tier::free},
        {"OPENROUTER", Tier::free},
        {"HUGGINGFACE", Tier::free},
        {"MISTRAL", Tier::free},
        {"COHERE", Tier::free},
        {"CLAUDEBOX", Tier::flat},
        {"CLAUDEBOX_ZAI", Tier::flat},
        {"PIBOX_ZAI", Tier::flat},
        {"ANTHROPIC", Tier::paid},
        {"OPENAI", Tier::paid},
        {"OLLAMA", Tier::local},
        {"OLLAMA_CUDA", Tier::local},
        {"TALKIES", Tier::local},
        {"TALKIES_CUDA", Tier::local},
        {"SDCPP", Tier::local},
        {"SDCPP_CUDA", Tier::local},
        {"LLAMACPP", Tier::local},
    }};
    for (auto [name, tier] : kTiers) {
        if (name == flag) return tier;
    }
    return std::nullopt;
}

}  // namespace config
