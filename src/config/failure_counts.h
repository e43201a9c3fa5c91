#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace config {

class Findings;
struct Value;

/// The kinds of failure that LiteLLM's policies tell apart.
enum class FailureKind {
    authentication,
    bad_request,
    content_policy,
    internal_server,
    not_found,
    rate_limit,
    service_unavailable,
    timeout,
};
inline constexpr std::size_t kFailureKinds = 8;

/// A number for some kinds of failure: a retry_policy or an allowed_fails_policy.
struct FailureCounts {
    std::array<std::optional<int>, kFailureKinds> by_kind{};
    std::optional<int> otherwise;  ///< `Default…`: kinds without a number of their own

    /// The number that names `kind` itself.
    std::optional<int> named(std::optional<FailureKind> kind) const {
        return kind ? by_kind[static_cast<std::size_t>(*kind)] : std::nullopt;
    }
};

/// Counts by alias (LiteLLM: model group).
using GroupCounts = std::map<std::string, FailureCounts, std::less<>>;

/// `{RateLimitErrorRetries: 2, DefaultErrorRetries: 0}` of `map` under `key`.
std::optional<FailureCounts> retry_policy_of(const Value& map, std::string_view key,
                                             Findings& findings);
/// `{alias: {RateLimitErrorRetries: 2}}`.
GroupCounts group_retry_policies_of(const Value& map, std::string_view key, Findings& findings);

/// `{TimeoutErrorAllowedFails: 3}` of `map`'s allowed_fails_policy. A kind that benches nobody
/// is reported.
std::optional<FailureCounts> allowed_fails_policy_of(const Value& map, Findings& findings);

}  // namespace config
