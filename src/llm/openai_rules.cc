#include "llm/openai_rules.h"

#include <array>

namespace llm::openai {
namespace {

using std::string_view;

/// OpenAI's own bound, which Groq and Cerebras share.
constexpr std::size_t kMostStops = 4;

constexpr auto kGroqDrop = std::to_array<string_view>(
    {"logprobs", "top_logprobs", "logit_bias", "store", "metadata", "n"});
constexpr Rules kGroq{.drop = kGroqDrop, .one_choice = true, .most_stops = kMostStops};

constexpr auto kCerebrasAllow = std::to_array<string_view>({
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "min_tokens",
    "min_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "reasoning_format",
    "clear_thinking",
    "prediction",
    "user",
});
constexpr auto kOutputBound = std::to_array<Rename>({{"max_tokens", "max_completion_tokens"}});
constexpr Rules kCerebras{.allow = kCerebrasAllow,
                          .rename = kOutputBound,
                          .one_choice = true,
                          .functions = false,
                          .completions = true,
                          .most_stops = kMostStops,
                          .hottest = 1.5,
                          .bound_output = "max_completion_tokens"};

constexpr Rules kOpenRouter{.completions = true, .bound_output = "max_tokens"};
/// Free variants are not booked in money: no bound is needed.
constexpr Rules kOpenRouterFree{.completions = true};

constexpr Rules kHuggingFace{};

constexpr auto kMistralAllow = std::to_array<string_view>({
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "prompt_mode",
    "reasoning_effort",
    "guardrails",
    "prompt_cache_key",
    "safe_prompt",
});
constexpr auto kMistralRename =
    std::to_array<Rename>({{"seed", "random_seed"}, {"max_completion_tokens", "max_tokens"}});
constexpr Rules kMistral{
    .allow = kMistralAllow, .rename = kMistralRename, .ask_usage = false, .functions = false};

constexpr Rules kOpenAi{.most_stops = kMostStops};

constexpr auto kOpenAiReasoningDrop =
    std::to_array<string_view>({"temperature", "top_p", "presence_penalty", "frequency_penalty",
                                "logprobs", "top_logprobs", "logit_bias", "parallel_tool_calls"});
constexpr Rules kOpenAiReasoning{
    .drop = kOpenAiReasoningDrop, .rename = kOutputBound, .most_stops = kMostStops};

constexpr auto kOpenAiO3Drop = std::to_array<string_view>(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs",
     "logit_bias", "parallel_tool_calls", "stop"});
constexpr Rules kOpenAiO3{.drop = kOpenAiO3Drop, .rename = kOutputBound};

constexpr Rules kCompatible{.completions = true};

/// OpenAI's o-series, also behind somebody's compatible base.
bool is_o_series(string_view model) {
    return model.size() > 1 && model[0] == 'o' && model[1] >= '0' && model[1] <= '9';
}

const Rules& openai_rules(string_view model, const Rules& otherwise) {
    if (!is_o_series(model)) return otherwise;
    return model.starts_with("o3") ? kOpenAiO3 : kOpenAiReasoning;
}

}  // namespace

const Rules& rules(const Upstream& upstream) {
    switch (upstream.provider) {
        case base::Provider::groq: return kGroq;
        case base::Provider::cerebras: return kCerebras;
        case base::Provider::openrouter:
            return upstream.model.ends_with(":free") ? kOpenRouterFree : kOpenRouter;
        case base::Provider::huggingface: return kHuggingFace;
        case base::Provider::mistral: return kMistral;
        case base::Provider::openai: return openai_rules(upstream.model, kOpenAi);
        default: return openai_rules(upstream.model, kCompatible);
    }
}

}  // namespace llm::openai

namespace llm {

bool gives_choices(base::Provider provider) {
    Upstream upstream;
    upstream.provider = provider;
    return !openai::rules(upstream).one_choice;
}

}  // namespace llm
