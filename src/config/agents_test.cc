#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

constexpr std::string_view kBox =
    "flag: CLAUDEBOX\ntier: flat\nkey: CLAUDEBOX_API_TOKEN\nmodels:\n"
    "  - model_name: claudebox-haiku\n"
    "    litellm_params: {model: openai/haiku, api_base: 'http://127.0.0.1:8081/openai/v1'}\n"
    "    model_info: {mode: chat, agent: claudebox, show_tools: true}\n";
constexpr std::string_view kPlain =
    "flag: PLAIN\nmodels:\n"
    "  - model_name: plain\n"
    "    litellm_params: {model: openai/x, api_key: k, api_base: 'http://127.0.0.1:1/v1'}\n"
    "    model_info: {mode: chat}\n";

Loaded load_folder(const TestFiles& files, std::map<std::string, std::string> more) {
    files.write("providers/claudebox.yaml", kBox);
    files.write("providers/plain.yaml", kPlain);
    std::map<std::string, std::string> env{{"CLAUDEBOX", "1"}, {"PLAIN", "1"}};
    env.merge(more);
    return load(files.root(), Environment::of(std::move(env)), Scope::serving);
}

TEST(Agents, ABox) {
    const TestFiles files;
    Loaded loaded = load_folder(files, {{"CLAUDEBOX_API_TOKEN", "t"}});
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    const Target* box = target(loaded, "claudebox-haiku");
    ASSERT_TRUE(box);
    EXPECT_EQ(box->agent, AgentKind::claudebox);
    EXPECT_TRUE(box->capabilities.agent);
    EXPECT_FALSE(box->capabilities.stated);
    EXPECT_TRUE(box->show_tools);
    EXPECT_FALSE(box->native);
    EXPECT_EQ(box->key.reveal(), "t");
}

TEST(Agents, ItsCommandLineNeedsNoTokenAndNoAddress) {
    const TestFiles files;
    Loaded loaded = load_folder(files, {{"CLAUDEBOX_NATIVE", "1"},
                                        {"CLAUDE_COMMAND", "/bin/sh"},
                                        {"CLAUDE_CODE_OAUTH_TOKEN", "oauth"},
                                        {"ANTHROPIC_API_KEY", "paid"},
                                        {"AGENT_MAX_PROCESSES", "9"},
                                        {"AGENT_MAX_OUTPUT_MB", "nine"}});
    EXPECT_EQ(loaded.diagnostics.size(), 1u) << lines(loaded.diagnostics);
    EXPECT_TRUE(about(loaded.diagnostics, "AGENT_MAX_OUTPUT_MB must be a whole number"));
    const Target* agent = target(loaded, "claudebox-haiku");
    ASSERT_TRUE(agent && agent->native);
    EXPECT_EQ(agent->left_out, "");
    EXPECT_EQ(agent->account, "native:claudebox");
    EXPECT_EQ(agent->native->command, "/bin/sh");
    ASSERT_EQ(agent->native->environment.size(), 1u);
    EXPECT_EQ(agent->native->environment[0].first, "CLAUDE_CODE_OAUTH_TOKEN");
    EXPECT_EQ(agent->native->most_processes, 9);
    EXPECT_EQ(agent->native->most_output, std::size_t{256} << 20);
}

TEST(Agents, AnAssembledFileSaysNative) {
    const TestFiles files;
    load_folder(files, {});
    auto text =
        assemble(files.root(), Environment::of({{"CLAUDEBOX", "1"}, {"CLAUDEBOX_NATIVE", "1"}}));
    ASSERT_TRUE(text);
    EXPECT_NE(text->find("native: true"), std::string::npos) << *text;
    const TestFiles other;
    Loaded loaded = load(other.write("config.yaml", *text), Environment::of({}), Scope::serving);
    const Target* agent = target(loaded, "claudebox-haiku");
    ASSERT_TRUE(agent && agent->native) << lines(loaded.diagnostics);
    EXPECT_EQ(agent->native->command, "claude");
}

TEST(Agents, WhatIsWrongIsTold) {
    const TestFiles files;
    files.write(
        "providers/a.yaml",
        "flag: A\nmodels:\n"
        "  - model_name: a\n    litellm_params: {model: openai/x, api_base: 'http://h/v1'}\n"
        "    model_info: {agent: robot}\n"
        "  - model_name: b\n    litellm_params: {model: openai/x, api_base: 'http://h/v1'}\n"
        "    model_info: {native: true}\n");
    Loaded loaded = load(files.root(), Environment::of({{"A", "1"}}), Scope::serving);
    const Diagnostic* kind = about(loaded.diagnostics, "agent `robot` must be claudebox or pibox");
    ASSERT_TRUE(kind) << lines(loaded.diagnostics);
    EXPECT_EQ(kind->line, 5);
    EXPECT_TRUE(about(loaded.diagnostics, "`native` needs `agent: claudebox` or `pibox`"));
}

TEST(Agents, SwitchesWithoutEffectAndCommandLinesWithoutALoginAreTold) {
    const TestFiles files;
    files.write("providers/claudebox.yaml", kBox);
    const auto told = [&](std::map<std::string, std::string> env) {
        env.merge(std::map<std::string, std::string>{
            {"CLAUDEBOX", "1"}, {"CLAUDEBOX_NATIVE", "1"}, {"CLAUDE_CODE_OAUTH_TOKEN", "t"}});
        auto list = load(files.root(), Environment::of(std::move(env)), Scope::all).diagnostics;
        std::erase_if(list, [](const Diagnostic& one) {
            return !one.text.contains("_NATIVE") && !one.text.contains("_COMMAND");
        });

        return list;
    };
    EXPECT_TRUE(told({}).empty()) << lines(told({}));
    for (const auto& [env, text] :
         std::vector<std::pair<std::map<std::string, std::string>, std::string>>{
             {{{"CLAUDEBOX_NATIVE", "true"}, {"CLAUDEBOX_API_TOKEN", "t"}},
              "CLAUDEBOX_NATIVE is on only when it is exactly 1"},
             {{{"CLAUDEBOX_API_BASE", "http://h:1/openai/v1"}},
              "CLAUDEBOX_API_BASE has no effect: CLAUDEBOX_NATIVE=1 runs the agent here; remove "
              "one of the two"},
             {{{"CLAUDEBOX", "0"}},
              "CLAUDEBOX_NATIVE=1 has no effect while CLAUDEBOX is off: write CLAUDEBOX=1"},
             {{{"CLAUDE_CODE_OAUTH_TOKEN", ""}},
              "claude is given nothing to log in with: set CLAUDE_CODE_OAUTH_TOKEN"},
             {{{"CLAUDE_COMMAND", "/nope"}}, "CLAUDE_COMMAND names `/nope`, where no program is"},
             {{{"CLAUDE_COMMAND", "no-such-program"}},
              "CLAUDE_COMMAND names `no-such-program`, where no program is"}}) {
        const auto list = told(env);
        EXPECT_EQ(list.size(), 1u) << lines(list);
        const Diagnostic* found = about(list, text);
        ASSERT_TRUE(found) << text << "\n" << lines(list);
        EXPECT_EQ(found->severity, Severity::warning);
    }
}

TEST(Agents, PiWithoutItsKeyCanNeverAnswer) {
    const TestFiles files;
    files.write("providers/pibox-zai.yaml",
                "flag: PIBOX_ZAI\nmodels:\n"
                "  - model_name: pi\n    litellm_params: {model: openai/glm}\n"
                "    model_info: {mode: chat, agent: pibox}\n");
    std::map<std::string, std::string> env{{"PIBOX_ZAI", "1"}, {"PIBOX_NATIVE", "1"}};
    Loaded loaded = load(files.root(), Environment::of(env), Scope::all);
    const Diagnostic* found = about(loaded.diagnostics, "PIBOX_ZAI_AUTH_TOKEN is not set");
    ASSERT_TRUE(found) << lines(loaded.diagnostics);
    EXPECT_EQ(found->severity, Severity::error);
    env["PIBOX_ZAI_AUTH_TOKEN"] = "z";
    env["PI_COMMAND"] = "/nope";
    loaded = load(files.root(), Environment::of(env), Scope::all);
    found = about(loaded.diagnostics, "PI_COMMAND names `/nope`, where no program is");
    ASSERT_TRUE(found) << lines(loaded.diagnostics);
    EXPECT_EQ(found->severity, Severity::warning);
    env["PIBOX_NATIVE"] = "0";
    env["PIBOX_ZAI_API_TOKEN"] = "t";
    loaded = load(files.root(), Environment::of(env), Scope::all);
    EXPECT_FALSE(about(loaded.diagnostics, "PI_COMMAND")) << lines(loaded.diagnostics);
    EXPECT_FALSE(about(loaded.diagnostics, "PIBOX_ZAI_AUTH_TOKEN")) << lines(loaded.diagnostics);
}

/// Chains of `plain` and of the agent, with these settings.
Loaded load_with(std::string_view base) {
    const TestFiles files;
    files.write("base.yaml", base);
    return load_folder(files, {{"CLAUDEBOX_API_TOKEN", "t"}});
}

TEST(Agents, ListsForEverybodyBringNoneIn) {
    Loaded loaded = load_with("router_settings:\n  default_fallbacks: [claudebox-haiku]\n");
    EXPECT_TRUE(loaded.catalog->find("plain")->chain.empty());
    EXPECT_TRUE(about(loaded.diagnostics, "default_fallbacks names `claudebox-haiku`, an agent"));
    for (const std::string list : {"context_window_fallbacks", "content_policy_fallbacks"}) {
        Loaded one = load_with("router_settings:\n  " + list + ": [{plain: [claudebox-haiku]}]\n");
        const auto& settings = one.catalog->settings;
        const auto& table = list.starts_with("context") ? settings.context_window_fallbacks
                                                        : settings.content_policy_fallbacks;
        EXPECT_TRUE(table.at("plain").empty()) << list;
        EXPECT_TRUE(about(one.diagnostics, list + " of `plain` names `claudebox-haiku`, an agent"));
    }
}

TEST(Agents, AChainThatNamesOneDoes) {
    Loaded loaded = load_with(
        "router_settings:\n  fallbacks: [{plain: [claudebox-haiku]}]\n"
        "  content_policy_fallbacks: [{plain: [claudebox-haiku]}]\n");
    EXPECT_EQ(loaded.catalog->find("plain")->chain, std::vector<std::string>{"claudebox-haiku"});
    EXPECT_EQ(loaded.catalog->settings.content_policy_fallbacks.at("plain").size(), 1u);
}

}  // namespace
}  // namespace config
