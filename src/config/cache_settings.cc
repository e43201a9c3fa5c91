#include "config/cache_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace config {
namespace {

constexpr std::int64_t kMostMegabytes = 16'384;
/// Nothing that was true so long ago is an answer today.
constexpr base::Duration kLongestTtl = std::chrono::hours(24 * 30);

std::optional<base::Duration> ttl_of(const Value& map, std::string_view key, Findings& findings) {
    auto ttl = duration_of(map, key, findings);
    if (!ttl) return std::nullopt;
    if (ttl->count() > 0 && *ttl <= kLongestTtl) return ttl;
    findings.error(*map.find(key), fmt::format("{} must be more than 0 and at most 30 days", key));
    return std::nullopt;
}

void read_type(const Value& params, CacheSettings& out, Findings& findings) {
    auto type = text_of(params, "type", findings);
    if (!type || *type == "disk") return;
    out.on_disk = *type != "local";
    if (!out.on_disk) return;
    findings.warning(*params.find("type"),
                     fmt::format("cache type `{}`: answers are kept in memory and in the embedded "
                                 "store, for requests that are exactly alike; write local for "
                                 "memory alone, disk for both",
                                 *type));
}

void read_mode(const Value& params, CacheSettings& out, Findings& findings) {
    auto mode = text_of(params, "mode", findings);
    if (!mode || *mode == "default_on") return;
    if (*mode == "default_off") {
        out.by_request = true;
        return;
    }
    findings.error(*params.find("mode"),
                   fmt::format("mode `{}` must be default_on or default_off", *mode));
}

void report_rest(const Value& params, Findings& findings) {
    constexpr std::array<std::string_view, 8> kActing = {
        "type",        "ttl",       "default_in_memory_ttl", "default_in_redis_ttl", "mode",
        "max_size_mb", "namespace", "supported_call_types"};
    for (const Member& member : params.members)
        if (std::ranges::find(kActing, member.name) == kActing.end())
            findings.warning(
                member.value,
                fmt::format("`{}` under cache_params has no effect{}: read are type, "
                            "ttl, namespace, mode, supported_call_types, max_size_mb",
                            member.name,
                            did_you_mean(member.name, {kActing.begin(), kActing.end()})));
}

}  // namespace

CacheSettings read_cache_settings(const Value& litellm, Findings& findings) {
    CacheSettings out;
    out.on = boolean_of(litellm, "cache", findings).value_or(false);
    const Value* params = map_of(litellm, "cache_params", findings);
    if (!params) return out;
    read_type(*params, out, findings);
    read_mode(*params, out, findings);
    for (std::string_view key : {"default_in_redis_ttl", "default_in_memory_ttl", "ttl"})
        if (auto ttl = ttl_of(*params, key, findings)) out.ttl = *ttl;
    out.space = text_of(*params, "namespace", findings).value_or("");
    out.call_types = texts_of(*params, "supported_call_types", findings);
    if (auto size = integer_of(*params, "max_size_mb", 1, kMostMegabytes, findings))
        out.max_bytes = static_cast<std::size_t>(*size) << 20;
    report_rest(*params, findings);
    return out;
}

std::optional<CacheChoice> read_cache_choice(const Value& info, Findings& findings) {
    const Value* written = info.find("cache");
    if (!written) return std::nullopt;
    if (!written->is_map()) {
        auto on = boolean_of(info, "cache", findings);
        return on ? std::optional(CacheChoice{*on, {}}) : std::nullopt;
    }
    for (const Member& member : written->members)
        if (member.name != "ttl")
            findings.warning(
                member.value,
                fmt::format("unknown key `{}` under cache is not read; known is ttl", member.name));
    return CacheChoice{true, ttl_of(*written, "ttl", findings)};
}

}  // namespace config
