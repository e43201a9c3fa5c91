#include "route/policy.h"

#include "route/consequences.h"

namespace route {

using config::FailureKind;
using llm::Outcome;

std::optional<FailureKind> kind_of(const llm::Failure& failure) {
    constexpr int kTooManyRequests = 429;
    constexpr int kServiceUnavailable = 503;
    switch (failure.outcome) {
        case Outcome::rate_limited:
        case Outcome::exhausted: return FailureKind::rate_limit;
        case Outcome::busy:
            return failure.status == kTooManyRequests ? FailureKind::rate_limit
                                                      : FailureKind::service_unavailable;
        case Outcome::too_large:
        case Outcome::context_overflow:
        case Outcome::bad_request:
        case Outcome::unsupported: return FailureKind::bad_request;
        case Outcome::content_filtered: return FailureKind::content_policy;
        case Outcome::unauthorized: return FailureKind::authentication;
        case Outcome::gone: return FailureKind::not_found;
        case Outcome::timeout: return FailureKind::timeout;
        case Outcome::transient:
            if (failure.status == kServiceUnavailable) return FailureKind::service_unavailable;
            if (failure.status >= 500) return FailureKind::internal_server;
            return std::nullopt;
        case Outcome::served:
        case Outcome::malformed:
        case Outcome::cancelled:
        case Outcome::client_gone: break;
    }
    return std::nullopt;
}

int retries(const config::Settings& settings, const config::Target& target,
            const llm::Failure& failure) {
    const auto group = settings.model_group_retry_policy.find(target.alias);
    const config::FailureCounts& policy =
        group == settings.model_group_retry_policy.end() ? settings.retry_policy : group->second;
    const std::optional<int> named = policy.named(kind_of(failure));
    if (!named && !consequence(failure.outcome).worth_waiting) return 0;
    if (named) return *named;
    if (target.num_retries) return *target.num_retries;
    return policy.otherwise.value_or(settings.num_retries);
}

namespace {

std::optional<int> count(const config::FailureCounts& policy, const std::optional<int>& plain,
                         const llm::Failure& failure) {
    if (const auto named = policy.named(kind_of(failure))) return named;
    return policy.otherwise ? policy.otherwise : plain;
}

}  // namespace

int allowed_fails(const config::Settings& settings, const config::Target& target,
                  const llm::Failure& failure) {
    const config::FailureCounts none;
    const auto own = count(target.allowed_fails_policy ? *target.allowed_fails_policy : none,
                           target.allowed_fails, failure);
    return own ? *own
               : count(settings.allowed_fails_policy, settings.allowed_fails, failure).value_or(0);
}

}  // namespace route
