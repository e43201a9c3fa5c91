#include "config/model_info.h"

#include "config/cache_settings.h"
#include "config/engine_block.h"
#include "config/key_tables.h"
#include "config/known_keys.h"
#include "config/providers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace config {
namespace {

constexpr std::uint64_t kMostTokens = 1'000'000'000'000;
constexpr std::int64_t kMostFails = 1'000'000;
constexpr double kMostGigabytes = 100'000;

void read_tier(const Value& info, Target& target, Findings& findings) {
    auto text = text_of(info, "tier", findings);
    if (!text) return;
    for (Tier tier : {Tier::free, Tier::flat, Tier::paid, Tier::local}) {
        if (name(tier) != *text) continue;
        target.tier = tier;
        target.tier_stated = true;
        return;
    }
    findings.error(*info.find("tier"),
                   fmt::format("tier `{}` must be free, flat, paid or local", *text));
}

void read_mode(const Value& info, Target& target, Findings& findings) {
    auto text = text_of(info, "mode", findings);
    if (!text) return;
    for (int i = 0; i < static_cast<int>(Mode::other); ++i) {
        target.mode = static_cast<Mode>(i);
        if (name(target.mode) == *text) return;
    }
    target.mode = Mode::other;
    constexpr std::array<std::string_view, 10> kListed = {
        "moderation", "realtime",         "ocr",          "batch",    "responses", "image_edit",
        "search",     "video_generation", "vector_store", "guardrail"};
    if (std::ranges::find(kListed, *text) != kListed.end()) return;
    findings.warning(
        *info.find("mode"),
        fmt::format("mode `{}` is unknown: the alias is listed, but not served", *text));
}

struct Word {
    std::string_view word;
    bool Capabilities::* has;
};
constexpr std::array<Word, 9> kWords = {{
    {"streaming", &Capabilities::streaming},
    {"tools", &Capabilities::tools},
    {"vision", &Capabilities::vision},
    {"audio_input", &Capabilities::audio_input},
    {"documents", &Capabilities::documents},
    {"reasoning", &Capabilities::reasoning},
    {"json_schema", &Capabilities::json_schema},
    {"diarization", &Capabilities::diarization},
    {"agent", &Capabilities::agent},
}};

/// LiteLLM's flags say what they say and leave the rest open, so that nothing
/// is refused for a flag that is absent.
void read_supports(const Value& info, Capabilities& has, Findings& findings) {
    constexpr std::array<Word, 6> kFlags = {{
        {"supports_vision", &Capabilities::vision},
        {"supports_function_calling", &Capabilities::tools},
        {"supports_reasoning", &Capabilities::reasoning},
        {"supports_response_schema", &Capabilities::json_schema},
        {"supports_audio_input", &Capabilities::audio_input},
        {"supports_pdf_input", &Capabilities::documents},
    }};
    for (const Word& flag : kFlags) {
        auto supported = boolean_of(info, flag.word, findings);
        if (!supported) continue;
        if (!has.stated) {
            has.stated = has.tools = has.vision = has.json_schema = true;
            has.audio_input = has.documents = true;
        }
        has.*flag.has = *supported;
        if (flag.has == &Capabilities::reasoning) has.reasoning_stated = true;
    }
    has.prefill = boolean_of(info, "supports_assistant_prefill", findings);
}

void read_capabilities(const Value& info, Capabilities& has, Findings& findings) {
    const Value* list = info.find("capabilities");
    if (list) {
        has.stated = has.reasoning_stated = true;
        has.streaming = false;
    }
    for (const std::string& word : texts_of(info, "capabilities", findings)) {
        const auto known = std::ranges::find(kWords, word, &Word::word);
        if (known != kWords.end()) {
            has.*known->has = true;
            continue;
        }
        std::string all;
        std::vector<std::string_view> words;
        for (const Word& one : kWords) {
            words.push_back(one.word);
            all += fmt::format("{}{}", all.empty() ? "" : ", ", one.word);
        }
        findings.warning(*list, fmt::format("unknown capability `{}`{}; known are {}", word,
                                            did_you_mean(word, words), all));
    }
    read_supports(info, has, findings);
}

/// Which agent it is. One of either kind acts, whatever its capabilities say.
void read_agent(const Value& info, Target& target, Findings& findings) {
    auto text = text_of(info, "agent", findings);
    if (auto on = boolean_of(info, "show_tools", findings)) target.show_tools = *on;
    if (!text) return;
    for (AgentKind kind : {AgentKind::claudebox, AgentKind::pibox})
        if (name(kind) == *text) target.agent = kind;
    if (target.agent == AgentKind::none)
        findings.error(*info.find("agent"),
                       fmt::format("agent `{}` must be claudebox or pibox", *text));
    target.capabilities.agent = true;
}

constexpr std::array<std::string_view, 32> kInfoKeys = {"mode",
                                                        "tier",
                                                        "capabilities",
                                                        "limits",
                                                        "memory_gb",
                                                        "device",
                                                        "embedding_space",
                                                        "note",
                                                        "engine",
                                                        "cache",
                                                        "requires",
                                                        "provider",
                                                        "max_input_tokens",
                                                        "max_output_tokens",
                                                        "max_tokens",
                                                        "id",
                                                        "base_model",
                                                        "access_groups",
                                                        "allowed_fails",
                                                        "allowed_fails_policy",
                                                        "description",
                                                        "supported_environments",
                                                        "team_id",
                                                        "blocked",
                                                        "output_vector_size",
                                                        "continue_streams",
                                                        "service",
                                                        "slots",
                                                        "agent",
                                                        "native",
                                                        "show_tools",
                                                        "allow_extra_args"};

bool known_info_key(std::string_view key) {
    return is_info_key(key) || key.starts_with("health_check_") || key.starts_with("disable_") ||
           key.contains("_cost_per_") || key.ends_with("_cost");
}

bool is_parameter(std::string_view key) {
    const std::span<const Key> keys = keys_of(Section::litellm_params);
    return is_body_parameter(key) || std::ranges::find(keys, key, &Key::name) != keys.end();
}

void check_info_keys(const Value& info, Findings& findings) {
    for (const Member& member : info.members) {
        if (known_info_key(member.name)) continue;
        if (is_parameter(member.name)) {
            findings.warning(member.value, fmt::format("`{}` under model_info is not read: it "
                                                       "belongs under litellm_params",
                                                       member.name));
            continue;
        }
        findings.warning(
            member.value,
            fmt::format(
                "unknown key `{}` under model_info is not read{}", member.name,
                did_you_mean(member.name,
                             {"mode", "tier", "capabilities", "limits", "memory_gb", "device",
                              "embedding_space", "note", "engine", "cache", "requires", "agent",
                              "native", "show_tools", "max_input_tokens", "max_output_tokens",
                              "input_cost_per_token", "output_cost_per_token"})));
    }
}

std::optional<std::uint64_t> tokens_of(const Value& info, std::string_view key,
                                       Findings& findings) {
    auto count = integer_of(info, key, 1, static_cast<std::int64_t>(kMostTokens), findings);
    if (!count) return std::nullopt;
    return static_cast<std::uint64_t>(*count);
}

/// In gigabytes; 0: not known.
double footprint_of(const Value& info, Findings& findings) {
    const double memory = number_of(info, "memory_gb", findings).value_or(0);
    if (memory >= 0 && memory <= kMostGigabytes) return memory;
    findings.error(*info.find("memory_gb"),
                   fmt::format("memory_gb must be from 0 to {}: what the loaded model takes, in "
                               "gigabytes; leave it out where that is not known",
                               kMostGigabytes));
    return 0;
}

/// What loads the model, where configuration does not say: the page's aliases tell.
std::string service_of(const Target& target) {
    if (target.provider == base::Provider::ollama) return "ollama";
    if (target.alias.starts_with("local-talkies-")) return "talkies";
    if (target.alias.starts_with("local-sdcpp-")) return "sdcpp";
    return "";
}

}  // namespace

bool is_info_key(std::string_view key) {
    return std::ranges::find(kInfoKeys, key) != kInfoKeys.end() || key.starts_with("supports_");
}

std::string device_of_alias(std::string_view alias) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kPrefixes = {{
        {"local-ollama-cuda-", "cuda"},
        {"local-sdcpp-cuda-", "cuda"},
        {"local-talkies-cuda-", "cuda"},
        {"local-ollama-cpu-", "cpu"},
        {"local-sdcpp-cpu-", "cpu"},
        {"local-talkies-", "cpu"},
        {"local-llamacpp-", "cpu"},
    }};
    for (auto [prefix, device] : kPrefixes) {
        if (alias.starts_with(prefix)) return std::string(device);
    }
    return "";
}

void read_prices(const Value& map, Target& target, Findings& findings) {
    Prices& prices = target.prices;
    const std::pair<std::string_view, double*> plain[] = {
        {"input_cost_per_token", &prices.input_cost_per_token},
        {"output_cost_per_token", &prices.output_cost_per_token},
        {"input_cost_per_second", &prices.input_cost_per_second},
        {"input_cost_per_character", &prices.input_cost_per_character},
        {"output_cost_per_image", &prices.output_cost_per_image},
        {"input_cost_per_image_token", &prices.input_cost_per_image_token},
        {"output_cost_per_image_token", &prices.output_cost_per_image_token},
    };
    for (const auto& [key, price] : plain)
        if (auto stated = number_of(map, key, findings)) *price = *stated;
    const std::pair<std::string_view, std::optional<double>*> of_cache[] = {
        {"cache_read_input_token_cost", &prices.cache_read_input_token_cost},
        {"cache_creation_input_token_cost", &prices.cache_creation_input_token_cost},
    };
    for (const auto& [key, price] : of_cache)
        if (auto stated = number_of(map, key, findings)) *price = *stated;
}

void read_model_info(const Value& info, bool strict, Target& target, Findings& findings) {
    if (strict) check_info_keys(info, findings);
    read_tier(info, target, findings);
    read_mode(info, target, findings);
    read_capabilities(info, target.capabilities, findings);
    if (auto on = boolean_of(info, "continue_streams", findings)) target.continue_streams = *on;
    target.max_input_tokens = tokens_of(info, "max_input_tokens", findings);
    target.max_output_tokens = tokens_of(info, "max_output_tokens", findings);
    if (!target.max_output_tokens)
        target.max_output_tokens = tokens_of(info, "max_tokens", findings);
    read_prices(info, target, findings);
    if (const Value* limits = list_of(info, "limits", findings)) {
        target.limits = read_limits(*limits, findings);
    }
    target.device = text_of(info, "device", findings).value_or(device_of_alias(target.alias));
    target.memory_gb = footprint_of(info, findings);
    if (auto slots = integer_of(info, "slots", 1, 1'000, findings))
        target.slots = static_cast<int>(*slots);
    target.embedding_space = text_of(info, "embedding_space", findings).value_or("");
    target.note = text_of(info, "note", findings).value_or("");
    if (auto fails = integer_of(info, "allowed_fails", 0, kMostFails, findings)) {
        target.allowed_fails = static_cast<int>(*fails);
    }
    target.allowed_fails_policy = allowed_fails_policy_of(info, findings);
    target.engine = read_engine(info, findings);
    read_agent(info, target, findings);
    target.cache = read_cache_choice(info, findings);
}

void pin_provider(const Value& info, bool strict, Target& target, Findings& findings) {
    auto pinned = text_of(info, "provider", findings);
    if (!pinned) return;
    if (auto provider = provider_named(*pinned)) {
        target.provider = *provider;
    } else if (strict) {
        findings.error(*info.find("provider"), fmt::format("provider `{}` is unknown", *pinned));
    }
}

void read_service(const Value& info, Target& target, Findings& findings) {
    constexpr std::array<std::string_view, 3> kServices = {"ollama", "talkies", "sdcpp"};
    target.service = service_of(target);
    auto written = text_of(info, "service", findings);
    if (!written) return;
    if (std::ranges::find(kServices, *written) != kServices.end())
        target.service = *written;
    else
        findings.error(*info.find("service"),
                       fmt::format("service `{}` must be ollama, talkies or sdcpp", *written));
}

void read_extra_args(const Value& info, const Variables& variables, Target& target,
                     Findings& findings) {
    const auto own = boolean_of(info, "allow_extra_args", findings);
    const bool all = target.service == "sdcpp" && variables.get("SDCPP_ALLOW_EXTRA_ARGS") == "1";
    if (own.value_or(all)) target.allow.emplace_back("sd_cpp_extra_args");
}

}  // namespace config
