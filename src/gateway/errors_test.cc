#include "gateway/errors.h"

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <string>

using namespace gateway;
using namespace std::chrono_literals;
using llm::Outcome;
using Value = boost::json::value;
using route::Record;
using route::Skip;
using route::Step;

namespace {

Step called(const std::string& alias, Outcome outcome, int status = 0,
            std::optional<base::Duration> back_in = std::nullopt) {
    Step step;
    step.alias = alias;
    step.target = alias;
    step.outcome = outcome;
    step.status = status;
    step.back_in = back_in;
    return step;
}

Step skipped(const std::string& alias, Skip skip, Outcome cause = Outcome::served,
             std::optional<base::Duration> back_in = std::nullopt) {
    Step step = called(alias, cause, 0, back_in);
    step.skip = skip;
    return step;
}

ClientError after(std::vector<Step> steps, bool deadline_passed = false) {
    Record record;
    record.asked = "asked";
    record.steps = std::move(steps);
    return chain_error(record, deadline_passed);
}

bool says(const ClientError& error, std::string_view part) {
    return error.message.find(part) != std::string::npos;
}

}  // namespace

TEST(ChainError, ModelsThatAreBeingPulledAre503WithTheFirstToBeThere) {
    const ClientError alone =
        after({skipped("a", Skip::pulling, Outcome::served, 90s), skipped("b", Skip::capability)});
    EXPECT_EQ(alone.status, 503);
    EXPECT_EQ(alone.code, "model_pulling");
    EXPECT_EQ(alone.retry_after, 90s);
    const ClientError unknown = after({skipped("a", Skip::pulling)});
    EXPECT_EQ(unknown.code, "model_pulling");
    EXPECT_FALSE(unknown.retry_after) << "nobody knows: nothing is promised";
    const ClientError mixed = after({skipped("a", Skip::pulling, Outcome::served, 90s),
                                     called("b", Outcome::transient, 500, 5s)});
    EXPECT_EQ(mixed.status, 503);
    EXPECT_EQ(mixed.code, "all_targets_failed");
    EXPECT_EQ(mixed.retry_after, 5s);
}

TEST(ChainError, G11AllQuotaIs429WithTheSoonestReturn) {
    const ClientError error = after({called("a", Outcome::rate_limited, 429, 40s),
                                     skipped("b", Skip::benched, Outcome::exhausted, 5h),
                                     called("c", Outcome::exhausted, 402, 12s)});
    EXPECT_EQ(error.status, 429);
    EXPECT_EQ(error.code, "rate_limit_exceeded");
    EXPECT_EQ(error.retry_after, 12s);
    for (const char* part : {"asked", "a: rate_limited (status 429)", "b: skipped (benched)",
                             "c: exhausted (status 402)", "soonest return in 12 s"})
        EXPECT_TRUE(says(error, part)) << error.message << "\nlacks " << part;
}

TEST(ChainError, CandidatesThatCouldNotServeDoNotHideTheQuota) {
    const ClientError error = after({called("a", Outcome::rate_limited, 429, 40s),
                                     skipped("b", Skip::capability), skipped("c", Skip::mode)});
    EXPECT_EQ(error.status, 429);
    EXPECT_EQ(error.retry_after, 40s);
}

TEST(ChainError, TargetsWithoutTheirKeyDoNotHideTheQuota) {
    ClientError error =
        after({skipped("a", Skip::no_key), called("b", Outcome::rate_limited, 429, 40s)});
    EXPECT_EQ(error.status, 429);
    EXPECT_EQ(error.retry_after, 40s);
    error =
        after({skipped("a", Skip::no_key), skipped("b", Skip::no_key), skipped("c", Skip::mode)});
    EXPECT_EQ(error.status, 503);
    EXPECT_EQ(error.code, "no_key");
}

TEST(ChainError, AllTimeoutsAre504) {
    const ClientError error =
        after({called("a", Outcome::timeout, 0, 5s), called("b", Outcome::timeout, 0, 5s)});
    EXPECT_EQ(error.status, 504);
    EXPECT_EQ(error.code, "upstream_timeout");
}

TEST(ChainError, AMixThatMayBeBackSoonIs503) {
    const ClientError error =
        after({called("a", Outcome::rate_limited, 429, 60s),
               called("b", Outcome::transient, 500, 5s), called("c", Outcome::timeout, 0, 7s)});
    EXPECT_EQ(error.status, 503);
    EXPECT_EQ(error.code, "all_targets_failed");
    EXPECT_EQ(error.retry_after, 5s);
}

TEST(ChainError, WithoutAnyReturnItIs502) {
    const ClientError error =
        after({called("a", Outcome::malformed, 200), called("b", Outcome::malformed, 200)});
    EXPECT_EQ(error.status, 502);
    EXPECT_FALSE(error.retry_after);
}

TEST(ChainError, TargetsThatAreFullAre503) {
    EXPECT_EQ(after({skipped("a", Skip::concurrency, Outcome::busy)}).status, 503);
    EXPECT_EQ(after({skipped("a", Skip::concurrency, Outcome::busy),
                     skipped("b", Skip::concurrency, Outcome::busy)})
                  .status,
              503);
}

TEST(ChainError, G3AfterTheDeadline504ListsEveryAttempt) {
    const ClientError error =
        after({called("a", Outcome::timeout), called("b", Outcome::rate_limited, 429, 9s)}, true);
    EXPECT_EQ(error.status, 504);
    EXPECT_EQ(error.code, "deadline_exceeded");
    EXPECT_TRUE(says(error, "a: timeout"));
    EXPECT_TRUE(says(error, "b: rate_limited"));
}

TEST(ChainError, NobodyWhoFitsIs400) {
    ClientError error = after({skipped("a", Skip::capability), skipped("b", Skip::mode),
                               skipped("c", Skip::unsupported)});
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.code, "unsupported_request");
    error = after({skipped("a", Skip::context), skipped("b", Skip::capability)});
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.code, "context_length_exceeded");
    EXPECT_FALSE(error.retry_after);
}

TEST(ChainError, OverflowsAllTheWayAreTheRequestsFault) {
    ClientError error =
        after({called("a", Outcome::context_overflow, 400), skipped("b", Skip::context)});
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.code, "context_length_exceeded");
    error =
        after({called("a", Outcome::context_overflow, 400), called("b", Outcome::too_large, 413)});
    EXPECT_EQ(error.status, 413);
    EXPECT_EQ(error.code, "context_length_exceeded");
}

TEST(ChainError, AParameterThatNobodyTakesIs400) {
    const ClientError error =
        after({called("a", Outcome::unsupported, 400), called("b", Outcome::unsupported, 400)});
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.code, "unsupported_parameter");
}

TEST(ChainError, G12ABadRequestIsTheAnswerWhateverCameBefore) {
    ClientError error = after(
        {called("a", Outcome::rate_limited, 429, 60s), called("b", Outcome::bad_request, 422)});
    EXPECT_EQ(error.status, 422);
    EXPECT_EQ(error.code, "bad_request");
    EXPECT_EQ(error.type, "invalid_request_error");
    EXPECT_FALSE(error.retry_after);
    error = after({called("a", Outcome::content_filtered, 403), skipped("b", Skip::capability)});
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.code, "content_policy_violation");
}

TEST(ChainError, TheOnlyCandidatesFailureIsShownAsItIs) {
    struct Case {
        Outcome outcome;
        int upstream;
        int status;
        std::string_view code;
    };
    for (const Case& c : std::initializer_list<Case>{
             {Outcome::busy, 503, 503, "upstream_busy"},
             {Outcome::rate_limited, 429, 429, "rate_limit_exceeded"},
             {Outcome::exhausted, 402, 429, "quota_exhausted"},
             {Outcome::too_large, 413, 413, "request_too_large"},
             {Outcome::context_overflow, 400, 400, "context_length_exceeded"},
             {Outcome::unauthorized, 401, 502, "upstream_unauthorized"},
             {Outcome::gone, 404, 502, "upstream_model_gone"},
             {Outcome::transient, 500, 502, "upstream_error"},
             {Outcome::timeout, 0, 504, "upstream_timeout"},
             {Outcome::malformed, 200, 502, "upstream_malformed"}}) {
        const ClientError error = after({called("a", c.outcome, c.upstream)});
        EXPECT_EQ(error.status, c.status) << llm::name(c.outcome);
        EXPECT_EQ(error.code, c.code);
    }
    EXPECT_EQ(after({called("a", Outcome::rate_limited, 429, 30s)}).retry_after, 30s);
    EXPECT_EQ(after({called("a", Outcome::busy, 503, 2s)}).retry_after, 2s);
    EXPECT_FALSE(after({called("a", Outcome::unauthorized, 401, 5min)}).retry_after)
        << "waiting mends no key";
}

TEST(ErrorBody, HasOpenAisShape) {
    const ClientError error{
        404, "No \"such\" model", "invalid_request_error", "model_not_found", "model", {}};
    EXPECT_EQ(
        error_body(error, nullptr),
        R"({"error":{"message":"No \"such\" model","type":"invalid_request_error","param":"model",)"
        R"("code":"model_not_found"}})");
    EXPECT_EQ(error_body({500, "m", "server_error", "", "", {}}, nullptr),
              R"({"error":{"message":"m","type":"server_error","param":null,"code":null}})");
}

TEST(ErrorBody, ListsEveryAttempt) {
    Record record;
    record.steps = {called("a", Outcome::rate_limited, 429, 1500ms), skipped("b", Skip::benched)};
    const auto body = boost::json::parse(error_body({429, "m", "t", "c", "", 1500ms}, &record));
    const auto& inner = body.at("error");
    EXPECT_EQ(inner.at("retry_after"), Value(2)) << "whole seconds, upwards";
    ASSERT_EQ(inner.at("attempts").as_array().size(), 2u);
    EXPECT_EQ(inner.at("attempts").at(0).at("alias"), Value("a"));
    EXPECT_EQ(inner.at("attempts").at(0).at("outcome"), Value("rate_limited"));
    EXPECT_EQ(inner.at("attempts").at(0).at("status"), Value(429));
    EXPECT_EQ(inner.at("attempts").at(1).at("outcome"), Value("skipped:benched"));

    const Record nobody;
    EXPECT_FALSE(
        boost::json::parse(error_body({}, &nobody)).at("error").as_object().contains("attempts"));
}
