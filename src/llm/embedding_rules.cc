#include "llm/embedding_rules.h"

#include <array>

namespace llm::embedding {
namespace {

using std::string_view;

/// Members of Ollama's and Cohere's requests that OpenAI refuses to see.
constexpr auto kForeign =
    std::to_array<string_view>({"input_type", "truncate", "keep_alive", "options"});
constexpr auto kMistralAllow = std::to_array<string_view>({"metadata"});

/// 300,000 tokens for all inputs of a call together, at three bytes each.
constexpr Rules kOpenAi{.most_bytes = 900'000, .base64 = true, .drop = kForeign};
/// "Too many inputs in request" beyond 512, "Too many tokens in batch. Max is 16384".
constexpr Rules kMistral{.most_inputs = 512,
                         .most_bytes = 48'000,
                         .tokens = false,
                         .base64 = true,
                         .dimensions = "output_dimension",
                         .closed = true,
                         .allow = kMistralAllow};
constexpr Rules kCohere{
    .most_inputs = 96, .tokens = false, .dimensions = "output_dimension", .closed = true};
constexpr Rules kOllama{.tokens = false, .closed = true};
constexpr Rules kOpenRouter{.base64 = true};
/// Numbers are what every server gives; some refuse the word base64.
constexpr Rules kCompatible{};

}  // namespace

const Rules& rules(base::Provider provider) {
    switch (provider) {
        case base::Provider::openai: return kOpenAi;
        case base::Provider::mistral: return kMistral;
        case base::Provider::cohere: return kCohere;
        case base::Provider::ollama: return kOllama;
        case base::Provider::openrouter: return kOpenRouter;
        default: return kCompatible;
    }
}

}  // namespace llm::embedding
