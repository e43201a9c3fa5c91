#include "llm/reasoning_effort.h"

#include "llm/anthropic_rules.h"
#include "llm/json.h"

#include <algorithm>
#include <array>

namespace llm::openai {
namespace {

using base::Provider;
using std::string_view;

constexpr auto kScale =
    std::to_array<string_view>({"none", "minimal", "low", "medium", "high", "xhigh", "max"});
using Words = std::array<string_view, kScale.size()>;

constexpr Words kOffOrDefault = {"none",    "none",    "default", "default",
                                 "default", "default", "default"};
constexpr Words kOffOrHigh = {"none", "none", "high", "high", "high", "high", "high"};
constexpr Words kThreeSteps = {"low", "low", "low", "medium", "high", "high", "high"};
constexpr Words kOffAndThreeSteps = {"none", "low", "low", "medium", "high", "high", "high"};
constexpr Words kNothing = {};

/// What a model takes, by its provider and a part of its name; the first line that fits. A
/// provider without a line of its own takes what the client says.
struct Line {
    Provider provider;
    string_view model;
    const Words& words;
};
constexpr auto kLines = std::to_array<Line>({
    {Provider::groq, "qwen3", kOffOrDefault},
    {Provider::groq, "gpt-oss", kThreeSteps},
    {Provider::groq, "", kNothing},
    {Provider::cerebras, "gpt-oss", kThreeSteps},
    {Provider::cerebras, "glm", kOffAndThreeSteps},
    {Provider::cerebras, "", kNothing},
    {Provider::mistral, "", kOffOrHigh},
    {Provider::openai, "gpt-3", kNothing},
    {Provider::openai, "gpt-4", kNothing},
});

const Words* words_of(const Upstream& upstream) {
    const string_view model = upstream.model;
    const bool o_series = model.size() > 1 && model[0] == 'o' && model[1] >= '0' && model[1] <= '9';
    if (upstream.provider == Provider::openai && o_series) return &kThreeSteps;
    if (upstream.provider == Provider::mistral && !upstream.reasoning) return &kNothing;
    const auto line = std::ranges::find_if(kLines, [&](const Line& one) {
        return one.provider == upstream.provider && model.find(one.model) != model.npos;
    });
    return line == kLines.end() ? nullptr : &line->words;
}

}  // namespace

std::string effort_for(const Upstream& upstream, string_view wanted) {
    const Words* words = words_of(upstream);
    if (!words) return std::string(wanted);
    const bool takes = std::ranges::find(*words, wanted) != words->end();
    const auto step = std::ranges::find(kScale, wanted);
    const bool nothing = words->front().empty();
    if (nothing) return {};
    if (takes || step == kScale.end()) return std::string(wanted);
    return std::string((*words)[static_cast<std::size_t>(step - kScale.begin())]);
}

string_view effort_of_thinking(string_view thinking) {
    const string_view type = json::member(thinking, "type");
    if (type == "\"disabled\"") return "none";
    const auto tokens = json::count(json::member(thinking, "budget_tokens"));
    if (!tokens) return {};
    return effort_of_budget(*tokens);
}

}  // namespace llm::openai

namespace llm {
namespace {

/// Budgets of thinking up to which an effort goes.
struct Budget {
    std::uint64_t tokens;
    std::string_view effort;
};
constexpr auto kBudgets =
    std::to_array<Budget>({{1024, "minimal"}, {2048, "low"}, {8192, "medium"}});

/// Ollama refuses `think` for the variants of Qwen that only answer.
bool thinks_at_ollama(std::string_view model) {
    auto named = [model](std::string_view part) { return model.find(part) != model.npos; };
    const bool qwen = named("qwen3:") && !named("instruct");
    return named("gpt-oss") || named("deepseek-r1") || named("magistral") || qwen;
}

}  // namespace

bool known_to_reason(base::Provider provider, std::string_view model) {
    auto named = [model](std::string_view part) { return model.find(part) != model.npos; };
    constexpr int kFirstThatThinks = 307;  // Claude 3.7
    switch (provider) {
        case base::Provider::anthropic:
            return anthropic::model_named(model).version >= kFirstThatThinks;
        case base::Provider::mistral: return named("magistral") || named("mistral-small-2603");
        case base::Provider::cohere: return named("reasoning");
        case base::Provider::ollama: return thinks_at_ollama(model);
        default: return false;
    }
}

std::string_view effort_of_budget(std::uint64_t tokens) {
    for (const Budget& budget : kBudgets)
        if (tokens <= budget.tokens) return budget.effort;
    return "high";
}

}  // namespace llm
