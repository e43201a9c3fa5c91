#include "config/key_tables.h"
#include "config/model_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

namespace config {
namespace {

const Key* lookup(Section section, std::string_view name) {
    std::span<const Key> keys = keys_of(section);
    auto at = std::ranges::find(keys, name, &Key::name);
    if (at != keys.end()) return &*at;
    // LiteLLM reads most router keys from litellm_settings too.
    if (section == Section::litellm_settings) return lookup(Section::router_settings, name);
    return nullptr;
}

/// "under litellm_settings" for a key that stands in `of` in vain, or empty.
std::string right_place(std::string_view key, Section of) {
    constexpr std::array kSettings = {Section::litellm_settings, Section::router_settings,
                                      Section::general_settings, Section::litellm_params,
                                      Section::model_entry,      Section::top};
    for (Section section : kSettings) {
        std::span<const Key> keys = keys_of(section);
        if (std::ranges::find(keys, key, &Key::name) != keys.end()) {
            return section == Section::top ? "at the top level of the file"
                                           : fmt::format("under {}", name(section));
        }
    }
    const bool of_model =
        of == Section::litellm_params || of == Section::model_entry || of == Section::fragment;
    return of_model && is_info_key(key) ? "under model_info" : "";
}

std::string suggestion(std::string_view key, Section section) {
    std::vector<std::string_view> names;
    for (const Key& known : keys_of(section)) names.push_back(known.name);
    if (section == Section::litellm_params) {
        auto body = body_parameters();
        names.insert(names.end(), body.begin(), body.end());
    }
    return did_you_mean(key, names);
}

bool price(std::string_view key) { return key.contains("cost_per_") || key.ends_with("_cost"); }

void check_key(const Member& member, Section section, Findings& findings) {
    Value at = member.value;
    at.line = member.line;
    if (const Key* key = lookup(section, member.name)) {
        if (!key->note.empty() && !member.value.is_null()) {
            findings.warning(at, fmt::format("`{}` {}", member.name, key->note));
        }
        return;
    }
    bool parameters = section == Section::litellm_params;
    if (parameters && (is_body_parameter(member.name) || price(member.name))) return;
    std::string near = suggestion(member.name, section);
    std::string right = right_place(member.name, section);
    if (!right.empty()) {
        findings.warning(at, fmt::format("`{}` under {} is not read: it belongs {}", member.name,
                                         name(section), right));
        return;
    }
    findings.warning(
        at, fmt::format(
                "unknown key `{}` under {} is not read{}{}", member.name, name(section), near,
                parameters && near.empty() ? ": put it into extra_body to send it upstream" : ""));
}

}  // namespace

std::string_view name(Section section) {
    switch (section) {
        case Section::top: return "the top level";
        case Section::model_entry: return "a model_list entry";
        case Section::litellm_params: return "litellm_params";
        case Section::litellm_settings: return "litellm_settings";
        case Section::router_settings: return "router_settings";
        case Section::general_settings: return "general_settings";
        case Section::fragment: return "a provider fragment";
    }
    return "";
}

void check_keys(const Value& map, Section section, Findings& findings) {
    for (const Member& member : map.members) check_key(member, section, findings);
}

bool is_body_parameter(std::string_view key) {
    return std::ranges::find(body_parameters(), key) != body_parameters().end();
}

}  // namespace config
