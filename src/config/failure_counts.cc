#include "config/failure_counts.h"

#include "config/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace config {
namespace {

constexpr int kMost = 1'000'000;
constexpr std::string_view kRetries = "ErrorRetries";
constexpr std::string_view kAllowedFails = "ErrorAllowedFails";
constexpr std::string_view kDefault = "Default";

/// In the order of FailureKind.
constexpr std::array<std::string_view, kFailureKinds> kNames = {
    "Authentication", "BadRequest", "ContentPolicyViolation", "InternalServer",
    "NotFound",       "RateLimit",  "ServiceUnavailable",     "Timeout"};

/// Where the count of the member `name` belongs; nullptr: nowhere.
std::optional<int>* place_of(FailureCounts& counts, std::string_view name,
                             std::string_view suffix) {
    if (!name.ends_with(suffix)) return nullptr;
    name.remove_suffix(suffix.size());
    if (name == kDefault) return &counts.otherwise;
    auto at = std::ranges::find(kNames, name);
    if (at == kNames.end()) return nullptr;
    return &counts.by_kind[static_cast<std::size_t>(at - kNames.begin())];
}

std::string suggestion(std::string_view word, std::string_view suffix) {
    std::vector<std::string> names{fmt::format("{}{}", kDefault, suffix)};
    for (std::string_view name : kNames) names.push_back(fmt::format("{}{}", name, suffix));
    return did_you_mean(word, {names.begin(), names.end()});
}

FailureCounts read_counts(const Value& policy, std::string_view key, std::string_view suffix,
                          Findings& findings) {
    FailureCounts counts;
    for (const Member& member : policy.members) {
        if (std::optional<int>* place = place_of(counts, member.name, suffix)) {
            if (auto count = integer_of(policy, member.name, 0, kMost, findings))
                *place = static_cast<int>(*count);
            continue;
        }
        Value at = member.value;
        at.line = member.line;
        findings.warning(at, fmt::format("unknown key `{}` under {} is not read{}", member.name,
                                         key, suggestion(member.name, suffix)));
    }
    return counts;
}

}  // namespace

std::optional<FailureCounts> retry_policy_of(const Value& map, std::string_view key,
                                             Findings& findings) {
    const Value* policy = map_of(map, key, findings);
    if (!policy) return std::nullopt;
    return read_counts(*policy, key, kRetries, findings);
}

GroupCounts group_retry_policies_of(const Value& map, std::string_view key, Findings& findings) {
    GroupCounts groups;
    const Value* policies = map_of(map, key, findings);
    if (!policies) return groups;
    for (const Member& member : policies->members) {
        if (auto counts = retry_policy_of(*policies, member.name, findings))
            groups[member.name] = *counts;
    }
    return groups;
}

std::optional<FailureCounts> allowed_fails_policy_of(const Value& map, Findings& findings) {
    constexpr std::string_view kKey = "allowed_fails_policy";
    const Value* policy = map_of(map, kKey, findings);
    if (!policy) return std::nullopt;
    for (std::string_view kind : {"BadRequest", "ContentPolicyViolation"}) {
        const std::string name = fmt::format("{}{}", kind, kAllowedFails);
        if (const Value* count = policy->find(name))
            findings.warning(
                *count, fmt::format("`{}` has no effect: such a failure benches nobody", name));
    }
    return read_counts(*policy, kKey, kAllowedFails, findings);
}

}  // namespace config
