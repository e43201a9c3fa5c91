#include "config/test_files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <tuple>

namespace config {
namespace {

constexpr std::string_view kModel =
    "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, api_base: "
    "'http://h:1/v1', api_key: unused}\n";

Loaded load_with(std::string_view env_text, Scope scope = Scope::all) {
    const TestFiles files;
    const Environment env = Environment::read(files.write(".env", env_text));
    return load(files.write("config.yaml", kModel), env, scope);
}

TEST(GatewayVariables, AreRead) {
    const Loaded loaded = load_with(
        "FREEWAY_FILES_KEEP=90s\nFREEWAY_PUBLIC_URL=https://ai.example.com/free/\nPULL=0\n"
        "FREEWAY_IMAGE_HOSTS=files.lan, 10.0.0.5:8080,::1\n");
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    const Settings& settings = loaded.catalog->settings;
    EXPECT_EQ(settings.files_keep, std::chrono::seconds(90));
    EXPECT_EQ(settings.public_url, "https://ai.example.com/free");
    EXPECT_FALSE(settings.pull);
    EXPECT_EQ(settings.image_hosts,
              (std::vector<std::string>{"files.lan", "10.0.0.5:8080", "::1"}));
}

TEST(GatewayVariables, WhatCannotBeUsedIsToldWhereItIsSet) {
    using Case = std::tuple<std::string, std::string, Severity>;
    for (const auto& [line, text, severity] : std::vector<Case>{
             {"FREEWAY_FILES_KEEP=ever", "FREEWAY_FILES_KEEP must be a time above 0, such as 1h",
              Severity::error},
             {"FREEWAY_FILES_KEEP=0", "FREEWAY_FILES_KEEP must be a time above 0", Severity::error},
             {"FREEWAY_PUBLIC_URL=ai.example.com",
              "FREEWAY_PUBLIC_URL can't be used: it must begin with http:// or https://",
              Severity::error},
             {"FREEWAY_IMAGE_HOSTS=files.lan,http://x/", "FREEWAY_IMAGE_HOSTS names `http://x/`",
              Severity::warning},
             {"FREEWAY_IMAGE_HOSTS=10.0.0.0/8", "FREEWAY_IMAGE_HOSTS names `10.0.0.0/8`",
              Severity::warning},
             {"FREEWAY_IMAGE_HOSTS=:80", "FREEWAY_IMAGE_HOSTS names `:80`", Severity::warning},
             {"FREEWAY_IMAGE_HOSTS=a b", "FREEWAY_IMAGE_HOSTS names `a b`", Severity::warning},
             {"PULL=no", "PULL is neither 0 nor 1", Severity::warning}})
        for (const Scope scope : {Scope::all, Scope::serving}) {
            const Loaded loaded = load_with("\n" + line + "\n", scope);
            ASSERT_EQ(loaded.diagnostics.size(), 1u) << line << "\n" << lines(loaded.diagnostics);
            const Diagnostic& found = loaded.diagnostics.front();
            EXPECT_TRUE(found.text.contains(text)) << found.str();
            EXPECT_TRUE(found.file.ends_with(".env")) << found.str();
            EXPECT_EQ(found.line, 2) << found.str();
            EXPECT_EQ(found.severity, severity) << found.str();
            EXPECT_EQ(loaded.catalog->settings.files_keep, std::chrono::hours(1));
            EXPECT_TRUE(loaded.catalog->settings.pull);
        }
}

TEST(GatewayVariables, OneOfTheProcessIsSaidToBe) {
    ::setenv("FREEWAY_FILES_KEEP", "ever", 1);
    const Loaded loaded = load_with("FREEWAY_FILES_KEEP=1h\n");
    ::unsetenv("FREEWAY_FILES_KEEP");
    const Diagnostic* found = about(loaded.diagnostics, "FREEWAY_FILES_KEEP");
    ASSERT_TRUE(found) << lines(loaded.diagnostics);
    EXPECT_EQ(found->file, "environment");
}

}  // namespace
}  // namespace config
