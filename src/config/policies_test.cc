#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

Loaded load_text(const std::string& settings) {
    TestFiles files;
    const std::string models =
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: groq/a, api_key: k, allowed_openai_params: "
        "[n, logprobs]}, model_info: {allowed_fails: 4, allowed_fails_policy: "
        "{TimeoutErrorAllowedFails: 1}}}\n"
        "  - {model_name: b, litellm_params: {model: cohere/b, api_key: k}}\n";
    return load(files.write("config.yaml", models + settings), Environment::of({}), Scope::serving);
}

std::optional<int> of(const FailureCounts& counts, FailureKind kind) { return counts.named(kind); }

TEST(Policies, RetriesAreReadByKind) {
    Loaded loaded = load_text(
        "router_settings:\n"
        "  retry_policy: {AuthenticationErrorRetries: 1, BadRequestErrorRetries: 2, "
        "ContentPolicyViolationErrorRetries: 3, InternalServerErrorRetries: 4, "
        "NotFoundErrorRetries: 5, RateLimitErrorRetries: 0, ServiceUnavailableErrorRetries: 7, "
        "TimeoutErrorRetries: 8, DefaultErrorRetries: 9}\n"
        "  model_group_retry_policy: {a: {TimeoutErrorRetries: 2}}\n");
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    const Settings& settings = loaded.catalog->settings;
    EXPECT_EQ(of(settings.retry_policy, FailureKind::authentication), 1);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::bad_request), 2);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::content_policy), 3);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::internal_server), 4);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::not_found), 5);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::rate_limit), 0);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::service_unavailable), 7);
    EXPECT_EQ(of(settings.retry_policy, FailureKind::timeout), 8);
    EXPECT_EQ(settings.retry_policy.otherwise, 9);
    EXPECT_EQ(of(settings.model_group_retry_policy.at("a"), FailureKind::timeout), 2);
}

TEST(Policies, WhatIsWrongInThemIsSaid) {
    Loaded loaded = load_text(
        "router_settings:\n"
        "  retry_policy:\n"
        "    RateLimitErorRetries: 1\n"
        "    TimeoutErrorRetries: many\n"
        "  model_group_retry_policy: {nobody: {TimeoutErrorRetries: 2}}\n"
        "  allowed_fails_policy: {BadRequestErrorAllowedFails: 1}\n");
    const Diagnostic* misspelt = about(loaded.diagnostics, "`RateLimitErorRetries`");
    ASSERT_TRUE(misspelt) << lines(loaded.diagnostics);
    EXPECT_TRUE(misspelt->text.contains("did you mean `RateLimitErrorRetries`")) << misspelt->text;
    EXPECT_EQ(misspelt->line, 6);
    EXPECT_TRUE(about(loaded.diagnostics, "`TimeoutErrorRetries` must be a whole number"));
    EXPECT_TRUE(about(loaded.diagnostics, "names `nobody`"));
    EXPECT_TRUE(about(loaded.diagnostics, "`BadRequestErrorAllowedFails` has no effect"));
    EXPECT_EQ(loaded.diagnostics.size(), 4u) << lines(loaded.diagnostics);
}

TEST(Policies, AllowedFailsStandInThreePlaces) {
    Loaded loaded = load_text(
        "litellm_settings: {allowed_fails: 3}\n"
        "router_settings: {allowed_fails_policy: {RateLimitErrorAllowedFails: 2}}\n");
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    EXPECT_EQ(loaded.catalog->settings.allowed_fails, 3);
    EXPECT_EQ(of(loaded.catalog->settings.allowed_fails_policy, FailureKind::rate_limit), 2);
    const Target& a = loaded.catalog->targets[0];
    EXPECT_EQ(a.allowed_fails, 4);
    EXPECT_EQ(of(a.allowed_fails_policy.value(), FailureKind::timeout), 1);
    EXPECT_FALSE(loaded.catalog->targets[1].allowed_fails);
    EXPECT_EQ(load_text("").catalog->settings.allowed_fails, 0)
        << "LiteLLM's default of 3 is not ours";
}

TEST(Policies, AllowedParametersAreOfTheOpenAiProtocol) {
    Loaded loaded = load_text("");
    EXPECT_EQ(loaded.catalog->targets[0].allow, (std::vector<std::string>{"n", "logprobs"}));
    TestFiles files;
    Loaded other = load(files.write("config.yaml",
                                    "model_list:\n  - {model_name: c, litellm_params: {model: "
                                    "cohere/c, api_key: k, allowed_openai_params: [n]}}\n"),
                        Environment::of({}), Scope::serving);
    EXPECT_TRUE(about(other.diagnostics, "`allowed_openai_params` has no effect"));
}

TEST(Admission, ReadsWhoIsLetInAndHowMany) {
    Settings settings = load_text(
                            "general_settings: {allowed_ips: [10.1.2.3, 192.168.0.0/16], "
                            "max_parallel_requests: 9, global_max_parallel_requests: 4, "
                            "completion_model: b}\n")
                            .catalog->settings;
    ASSERT_TRUE(settings.allowed_ips);
    EXPECT_EQ(settings.allowed_ips->size(), 2u);
    EXPECT_EQ(settings.max_parallel_requests, 4) << "the smaller of both";
    EXPECT_EQ(settings.completion_model, "b");
    Settings none = load_text("").catalog->settings;
    EXPECT_FALSE(none.allowed_ips);
    EXPECT_FALSE(none.max_parallel_requests);
    EXPECT_TRUE(none.completion_model.empty());
}

TEST(Admission, AListThatNamesNobodyLetsNobodyIn) {
    for (const char* list : {"[]", "[localhost]"}) {
        Loaded loaded = load_text(std::string("general_settings: {allowed_ips: ") + list + "}\n");
        ASSERT_TRUE(loaded.catalog->settings.allowed_ips);
        EXPECT_TRUE(loaded.catalog->settings.allowed_ips->empty());
        EXPECT_TRUE(about(loaded.diagnostics, "allowed_ips"));
        EXPECT_EQ(loaded.diagnostics.size(), 1u);
        EXPECT_FALSE(loaded.ok());
    }
}

TEST(Admission, AForcedModelMustExist) {
    Loaded loaded = load_text("general_settings: {completion_model: nobody}\n");
    EXPECT_TRUE(about(loaded.diagnostics, "completion_model names `nobody`, which is no alias"));
    EXPECT_FALSE(loaded.ok());
}

}  // namespace
}  // namespace config
