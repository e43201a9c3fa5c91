#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

constexpr std::string_view kSdcpp =
    "flag: SDCPP\nmodels:\n"
    "  - model_name: local-sdcpp-cpu-x\n"
    "    litellm_params: {model: openai/x, api_base: \"http://w:7234/v1\", api_key: unused}\n"
    "    model_info:\n"
    "      mode: image_generation\n"
    "      allow_extra_args: true\n"
    "      engine: {flag: SDCPP_NATIVE, command: [sd-server], port: 7001, models: sdcpp/models,\n"
    "               exclusive: sdcpp, on_hangup: kill}\n";

TEST(EngineBlock, WithAFlagItTakesThePlaceOfTheBase) {
    TestFiles files;
    files.write("providers/sdcpp.yaml", kSdcpp);
    Loaded off = load(files.root(), Environment::of({{"SDCPP", "1"}}), Scope::serving);
    EXPECT_FALSE(target(off, "local-sdcpp-cpu-x")->engine);
    EXPECT_EQ(target(off, "local-sdcpp-cpu-x")->base.text(), "http://w:7234/v1");

    Loaded on = load(files.root(), Environment::of({{"SDCPP", "1"}, {"SDCPP_NATIVE", "1"}}),
                     Scope::serving);
    const Target* native = target(on, "local-sdcpp-cpu-x");
    ASSERT_TRUE(native && native->engine) << lines(on.diagnostics);
    EXPECT_TRUE(native->base.host.empty());
    EXPECT_EQ(native->engine->port, 7001);
    EXPECT_EQ(native->engine->models, "sdcpp/models");
    EXPECT_EQ(native->engine->exclusive, "sdcpp");
    EXPECT_TRUE(native->engine->kill_on_hangup);
    EXPECT_EQ(native->allow, std::vector<std::string>{"sd_cpp_extra_args"});
    EXPECT_TRUE(on.diagnostics.empty()) << lines(on.diagnostics);

    Loaded elsewhere =
        load(files.root(),
             Environment::of(
                 {{"SDCPP", "1"}, {"SDCPP_NATIVE", "1"}, {"SDCPP_API_BASE", "http://h:1/v1"}}),
             Scope::serving);
    EXPECT_EQ(target(elsewhere, "local-sdcpp-cpu-x")->base.text(), "http://h:1/v1");
    EXPECT_TRUE(about(elsewhere.diagnostics, "SDCPP_NATIVE=1 has no effect: SDCPP_API_BASE"));
}

TEST(EngineBlock, ExtraArgumentsAreAllowedForAllImageModelsUnlessOneSaysOtherwise) {
    TestFiles files;
    const std::string model =
        "    litellm_params: {model: openai/x, api_base: \"http://w:1/v1\", api_key: unused}\n"
        "    model_info: {mode: image_generation";
    files.write("providers/sdcpp.yaml",
                "flag: SDCPP\nmodels:\n  - model_name: local-sdcpp-cpu-x\n" + model +
                    "}\n  - model_name: local-sdcpp-cpu-shut\n" + model +
                    ", allow_extra_args: false}\n  - model_name: other\n" + model + "}\n");
    const auto allowed = [&](const std::string& alias, const char* value) {
        Loaded loaded =
            load(files.root(), Environment::of({{"SDCPP", "1"}, {"SDCPP_ALLOW_EXTRA_ARGS", value}}),
                 Scope::serving);
        const Target* found = target(loaded, alias);
        return found && found->allow == std::vector<std::string>{"sd_cpp_extra_args"};
    };
    EXPECT_TRUE(allowed("local-sdcpp-cpu-x", "1"));
    EXPECT_FALSE(allowed("local-sdcpp-cpu-x", "0"));
    EXPECT_FALSE(allowed("local-sdcpp-cpu-shut", "1"));
    EXPECT_FALSE(allowed("other", "1"));
}

TEST(EngineBlock, SaysWhatIsWrongWithIt) {
    TestFiles files;
    files.write("providers/sdcpp.yaml",
                "flag: SDCPP\nmodels:\n"
                "  - model_name: m\n    litellm_params: {model: openai/m, api_key: unused}\n"
                "    model_info:\n      engine:\n        command: [x]\n        port: 70000\n"
                "        models: ../up\n        on_hangup: wait\n        ready: health\n"
                "        memory_gb: 2\n        exclusiv: a\n");
    Loaded loaded = load(files.root(), Environment::of({{"SDCPP", "1"}}), Scope::serving);
    for (const auto& [text, line] : std::vector<std::pair<std::string, int>>{
             {"port", 8},
             {"models `../up` must be a folder below the data folder", 9},
             {"on_hangup `wait` must be close or kill", 10},
             {"ready `health` must be a path", 11},
             {"`memory_gb` under engine is not read: it belongs beside engine", 12},
             {"unknown key `exclusiv` under engine is not read (did you mean `exclusive`?)", 13}}) {
        const Diagnostic* found = about(loaded.diagnostics, text);
        ASSERT_TRUE(found) << text << "\n" << lines(loaded.diagnostics);
        EXPECT_EQ(found->line, line) << text;
    }
}

TEST(EngineBlock, WhatCanNeverStartIsAnError) {
    TestFiles files;
    const std::string model =
        "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, api_key: unused}\n"
        "    model_info:\n      engine:\n        ";
    const std::string good = std::string(64, 'a');
    for (const auto& [engine, text, line] : std::vector<std::tuple<std::string, std::string, int>>{
             {"command: llama-server --jinja", "`command` must be a list of program", 6},
             {"command: []", "`engine` needs a `command`", 6},
             {"ready: /health", "`engine` needs a `command`", 6},
             {"command: [x]\n        start_timeout: 0", "start_timeout must be more than 0", 7},
             {"command:\n          - x\n          - http://h/a.gguf#sha256=zz", "64 hexadecimal",
              8},
             {"command: [x, 'https://h/a.gguf#sha256=" + good + "0']", "64 hexadecimal", 6}}) {
        Loaded loaded = load(files.write("config.yaml", model + engine + "\n"), Environment::of({}),
                             Scope::all);
        EXPECT_FALSE(loaded.ok()) << engine;
        EXPECT_EQ(loaded.diagnostics.size(), 1u) << lines(loaded.diagnostics);
        const Diagnostic* found = about(loaded.diagnostics, text);
        ASSERT_TRUE(found) << text << "\n" << lines(loaded.diagnostics);
        EXPECT_EQ(found->line, line) << engine;
    }
    Loaded loaded = load(
        files.write("config.yaml", model + "command: [x, 'https://h/a#sha256=" + good + "']\n"),
        Environment::of({}), Scope::all);
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(EngineBlock, AFileHasOneChecksum) {
    const auto diagnostics = [](const std::string& second) {
        const TestFiles files;
        const auto entry = [](const std::string& name, const std::string& url) {
            return "  - model_name: " + name +
                   "\n    litellm_params: {model: openai/m, api_key: unused}\n"
                   "    model_info:\n      engine:\n        command: [x, '" +
                   url + "']\n";
        };
        const std::string first = "http://h/a.gguf#sha256=" + std::string(64, 'a');
        return load(files.write("config.yaml",
                                "model_list:\n" + entry("one", first) + entry("two", second)),
                    Environment::of({}), Scope::all)
            .diagnostics;
    };
    const auto found = diagnostics("http://h/a.gguf#sha256=" + std::string(64, 'b'));
    ASSERT_EQ(found.size(), 1u) << lines(found);
    EXPECT_EQ(found[0].severity, Severity::error);
    EXPECT_EQ(found[0].line, 11);
    EXPECT_TRUE(found[0].text.contains("aaaaaaaa… for one, and bbbbbbbb… for two")) << lines(found);
    for (const std::string& fine :
         {"http://h/a.gguf#sha256=" + std::string(64, 'A'), std::string("http://h/a.gguf"),
          "http://h/b/a.gguf#sha256=" + std::string(64, 'b')})
        EXPECT_TRUE(diagnostics(fine).empty()) << fine;
}

}  // namespace
}  // namespace config
