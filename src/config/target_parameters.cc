#include "config/known_keys.h"
#include "config/model_info.h"
#include "config/target_reader.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace config {
namespace {

constexpr int kMany = 1'000'000'000;

std::optional<int> count_of(const Value& params, std::string_view name, int low,
                            Findings& findings) {
    auto count = integer_of(params, name, low, kMany, findings);
    if (!count) return std::nullopt;
    return static_cast<int>(*count);
}

/// A span that must not be zero: nothing would ever be answered within it.
std::optional<base::Duration> deadline_of(const Value& params, std::string_view name,
                                          Findings& findings) {
    auto span = duration_of(params, name, findings);
    if (!span || span->count() > 0) return span;
    findings.warning(*params.find(name),
                     fmt::format("`{}: 0` is no deadline and is ignored", name));
    return std::nullopt;
}

void read_rates(const Value& params, bool enforced, Target& target, Findings& findings) {
    auto requests = number_of(params, "rpm", findings);
    auto tokens = number_of(params, "tpm", findings);
    auto add = [&](std::string_view metric, double limit) {
        Limit rate;
        rate.metric = metric;
        rate.window = "minute";
        rate.limit = limit;
        rate.reset = "rolling";
        rate.scope = "target";
        rate.advisory = !enforced;
        target.limits.push_back(std::move(rate));
    };
    if (requests) add("requests", *requests);
    if (tokens) add("tokens", *tokens);
    auto share = requests ? requests : tokens;
    if (auto weight = count_of(params, "weight", 0, findings)) {
        target.weight = *weight;
    } else if (share) {
        target.weight = static_cast<int>(std::clamp(*share, 1.0, static_cast<double>(kMany)));
    }
}

/// `30d`, `1mo`, `24h`: LiteLLM's budget_duration as a window.
std::string budget_window(const std::string& text) {
    if (text == "1mo" || text == "monthly") return "month";
    if (text == "daily") return "day";
    if (text == "weekly") return "7d";
    return text;
}

void read_budget(const Value& params, Target& target, Findings& findings) {
    auto budget = number_of(params, "max_budget", findings);
    if (!budget) return;
    Limit limit;
    limit.metric = "usd";
    limit.limit = *budget;
    limit.scope = "target";
    limit.window = budget_window(text_of(params, "budget_duration", findings).value_or(""));
    limit.reset = limit.window.empty() ? "lifetime" : "fixed";
    target.limits.push_back(std::move(limit));
}

void put(std::vector<std::pair<std::string, std::string>>& list, const std::string& name,
         std::string value) {
    auto same = std::ranges::find(list, name, &std::pair<std::string, std::string>::first);
    if (same != list.end()) {
        same->second = std::move(value);
    } else {
        list.emplace_back(name, std::move(value));
    }
}

/// A whole number of Ollama's, and the least that it takes.
struct OllamaNumber {
    std::string_view name;
    int least;
};
constexpr std::array<OllamaNumber, 8> kOllamaNumbers = {{{"num_ctx", 1},
                                                         {"num_gpu", -1},
                                                         {"num_batch", 1},
                                                         {"num_thread", 0},
                                                         {"num_predict", -2},
                                                         {"num_keep", -1},
                                                         {"main_gpu", 0},
                                                         {"repeat_last_n", -1}}};

/// A bare number of seconds, or a time with its units; below 0: for ever.
bool is_keep_alive(const Value& value) {
    std::string_view text = value.text;
    if (text.starts_with('-')) text.remove_prefix(1);
    const bool number = value.number().has_value();
    return value.is_scalar() && base::parse_duration(text) &&
           !(number && value.quoted && text != "0");
}

/// Whether Ollama would answer at all with this parameter; says why it would not.
bool ollama_takes(const Value& params, const Member& member, Findings& findings) {
    if (member.name == "keep_alive" && !is_keep_alive(member.value)) {
        findings.error(member.value,
                       fmt::format("`keep_alive` must be a time such as 5m, a bare number of "
                                   "seconds or -1, but is `{}`; it is left out",
                                   base::shown(member.value.text, 40)));
        return false;
    }
    const auto known = std::ranges::find(kOllamaNumbers, member.name, &OllamaNumber::name);
    return known == kOllamaNumbers.end() ||
           count_of(params, member.name, known->least, findings).has_value();
}

void read_body(const Value& params, Target& target, Findings& findings) {
    for (const Member& member : params.members) {
        if (!is_body_parameter(member.name) || member.value.is_null()) continue;
        if (target.provider == base::Provider::ollama && !ollama_takes(params, member, findings))
            continue;
        put(target.defaults, member.name, to_json(member.value));
    }
    const Value* extra = map_of(params, "extra_body", findings);
    if (!extra) return;
    for (const Member& member : extra->members) {
        bool options = target.provider == base::Provider::ollama && member.name == "options" &&
                       member.value.is_map();
        if (!options) {
            put(target.overrides, member.name, to_json(member.value));
            continue;
        }
        for (const Member& option : member.value.members) {
            put(target.defaults, option.name, to_json(option.value));
        }
    }
}

/// Only OpenAI's own protocol passes members on; the others are written anew.
void read_allowed(const Value& params, Target& target, Findings& findings) {
    const std::vector<std::string> named = texts_of(params, "allowed_openai_params", findings);
    target.allow.insert(target.allow.end(), named.begin(), named.end());
    bool translated = target.provider == base::Provider::anthropic ||
                      target.provider == base::Provider::cohere ||
                      target.provider == base::Provider::ollama;
    if (named.empty() || !translated) return;
    findings.warning(*params.find("allowed_openai_params"),
                     fmt::format("`allowed_openai_params` has no effect: requests to {} are "
                                 "translated; extra_body is sent as it stands",
                                 base::name(target.provider)));
}

bool header_text(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c != 0x7f; });
}

bool header_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) ||
               std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c));
    });
}

void read_headers(const Value& params, Target& target, Findings& findings) {
    const Value* headers = map_of(params, "extra_headers", findings);
    if (!headers) return;
    constexpr std::string_view kOurs[] = {"host", "content-length", "transfer-encoding",
                                          "connection", "content-type"};
    for (const Member& member : headers->members) {
        bool ours = std::ranges::any_of(
            kOurs, [&](std::string_view name) { return base::iequals(name, member.name); });
        if (ours) {
            findings.warning(member.value, fmt::format("header `{}` is written by the gateway; "
                                                       "this one is ignored",
                                                       member.name));
        } else if (!member.value.is_scalar() || !header_name(member.name) ||
                   !header_text(member.value.text)) {
            findings.error(
                member.value,
                fmt::format("header `{}` is no legal name with one line of text", member.name));
        } else {
            put(target.headers, member.name, member.value.text);
        }
    }
}

}  // namespace

void read_parameters(const Value& params, bool rates_enforced, Target& target, Findings& findings) {
    target.timeout = deadline_of(params, "timeout", findings);
    if (!target.timeout) target.timeout = deadline_of(params, "request_timeout", findings);
    target.stream_timeout = deadline_of(params, "stream_timeout", findings);
    target.cooldown = duration_of(params, "cooldown_time", findings);
    target.num_retries = count_of(params, "num_retries", 0, findings);
    if (!target.num_retries) target.num_retries = count_of(params, "max_retries", 0, findings);
    if (auto order = integer_of(params, "order", -kMany, kMany, findings)) {
        target.order = static_cast<int>(*order);
    }
    target.max_parallel_requests = count_of(params, "max_parallel_requests", 1, findings);
    read_prices(params, target, findings);
    target.drop = texts_of(params, "additional_drop_params", findings);
    read_allowed(params, target, findings);
    read_rates(params, rates_enforced, target, findings);
    read_budget(params, target, findings);
    read_body(params, target, findings);
    read_headers(params, target, findings);
}

}  // namespace config
