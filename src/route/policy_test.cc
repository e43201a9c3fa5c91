#include "route/policy.h"

#include <gtest/gtest.h>

using namespace route;
using config::FailureKind;
using llm::Outcome;

namespace {

llm::Failure failure(Outcome outcome, int status = 0) {
    llm::Failure result;
    result.outcome = outcome;
    result.status = status;
    return result;
}

std::optional<int>& of(config::FailureCounts& counts, FailureKind kind) {
    return counts.by_kind[static_cast<std::size_t>(kind)];
}

struct Policies {
    config::Settings settings;
    config::Target target;
    Policies() { target.alias = "a"; }
    int retries(Outcome outcome, int status = 0) const {
        return route::retries(settings, target, failure(outcome, status));
    }
    int allowed(Outcome outcome, int status = 0) const {
        return route::allowed_fails(settings, target, failure(outcome, status));
    }
};

}  // namespace

TEST(FailureKinds, AreLiteLlmsNames) {
    EXPECT_EQ(kind_of(failure(Outcome::rate_limited, 429)), FailureKind::rate_limit);
    EXPECT_EQ(kind_of(failure(Outcome::exhausted, 402)), FailureKind::rate_limit);
    EXPECT_EQ(kind_of(failure(Outcome::busy, 429)), FailureKind::rate_limit);
    EXPECT_EQ(kind_of(failure(Outcome::busy, 503)), FailureKind::service_unavailable);
    EXPECT_EQ(kind_of(failure(Outcome::transient, 503)), FailureKind::service_unavailable);
    EXPECT_EQ(kind_of(failure(Outcome::transient, 500)), FailureKind::internal_server);
    EXPECT_EQ(kind_of(failure(Outcome::transient)), std::nullopt)
        << "a connection that broke has no name there";
    EXPECT_EQ(kind_of(failure(Outcome::timeout)), FailureKind::timeout);
    EXPECT_EQ(kind_of(failure(Outcome::unauthorized, 401)), FailureKind::authentication);
    EXPECT_EQ(kind_of(failure(Outcome::gone, 404)), FailureKind::not_found);
    EXPECT_EQ(kind_of(failure(Outcome::bad_request, 400)), FailureKind::bad_request);
    EXPECT_EQ(kind_of(failure(Outcome::context_overflow, 400)), FailureKind::bad_request);
    EXPECT_EQ(kind_of(failure(Outcome::content_filtered, 400)), FailureKind::content_policy);
    EXPECT_EQ(kind_of(failure(Outcome::malformed, 200)), std::nullopt);
}

TEST(Retries, NeverOfAnAgent) {
    Policies p;
    p.target.capabilities.agent = true;
    p.settings.num_retries = 2;
    of(p.settings.retry_policy, FailureKind::internal_server) = 3;
    EXPECT_EQ(p.retries(Outcome::transient, 500), 0);
}

TEST(Retries, WithoutAPolicyOnlyWhatAMomentCures) {
    Policies p;
    EXPECT_EQ(p.retries(Outcome::transient, 500), 0);
    p.settings.num_retries = 2;
    EXPECT_EQ(p.retries(Outcome::transient, 500), 2);
    EXPECT_EQ(p.retries(Outcome::rate_limited, 429), 0);
    EXPECT_EQ(p.retries(Outcome::unauthorized, 401), 0);
    p.target.num_retries = 1;
    EXPECT_EQ(p.retries(Outcome::timeout), 1);
}

TEST(Retries, APolicyOverridesThemForTheKindsThatItNames) {
    Policies p;
    p.settings.num_retries = 2;
    p.target.num_retries = 3;
    of(p.settings.retry_policy, FailureKind::timeout) = 0;
    of(p.settings.retry_policy, FailureKind::rate_limit) = 4;
    EXPECT_EQ(p.retries(Outcome::timeout), 0);
    EXPECT_EQ(p.retries(Outcome::rate_limited, 429), 4)
        << "named: it is retried although it is a refusal";
    EXPECT_EQ(p.retries(Outcome::transient, 500), 3);
}

TEST(Retries, ThePolicysDefaultStandsForNumRetries) {
    Policies p;
    p.settings.num_retries = 2;
    p.settings.retry_policy.otherwise = 5;
    EXPECT_EQ(p.retries(Outcome::malformed, 200), 5);
    EXPECT_EQ(p.retries(Outcome::rate_limited, 429), 0) << "a default names no kind";
    p.target.num_retries = 1;
    EXPECT_EQ(p.retries(Outcome::malformed, 200), 1);
}

TEST(Retries, TheAliassPolicyTakesTheGeneralOnesPlace) {
    Policies p;
    of(p.settings.retry_policy, FailureKind::timeout) = 3;
    of(p.settings.model_group_retry_policy["a"], FailureKind::internal_server) = 1;
    EXPECT_EQ(p.retries(Outcome::transient, 500), 1);
    EXPECT_EQ(p.retries(Outcome::timeout), 0);
    p.target.alias = "b";
    EXPECT_EQ(p.retries(Outcome::timeout), 3);
}

TEST(AllowedFails, AreNoneUnlessConfigured) {
    Policies p;
    EXPECT_EQ(p.allowed(Outcome::transient, 500), 0);
    p.settings.allowed_fails = 3;
    EXPECT_EQ(p.allowed(Outcome::transient, 500), 3);
}

TEST(AllowedFails, ByKindBeforeInAllAndTheTargetBeforeTheSettings) {
    Policies p;
    p.settings.allowed_fails = 3;
    of(p.settings.allowed_fails_policy, FailureKind::timeout) = 0;
    EXPECT_EQ(p.allowed(Outcome::timeout), 0) << "0 is a number";
    EXPECT_EQ(p.allowed(Outcome::rate_limited, 429), 3);
    p.target.allowed_fails = 7;
    EXPECT_EQ(p.allowed(Outcome::timeout), 7);
    p.target.allowed_fails_policy.emplace();
    of(*p.target.allowed_fails_policy, FailureKind::timeout) = 1;
    EXPECT_EQ(p.allowed(Outcome::timeout), 1);
    EXPECT_EQ(p.allowed(Outcome::rate_limited, 429), 7);
}
