#include "config/test_files.h"

#include <gtest/gtest.h>

#include <tuple>

namespace config {
namespace {

/// One model with this model_info, and these devices.
Loaded load_with(std::string_view info, std::string_view devices) {
    const TestFiles files;
    std::string text =
        "model_list:\n  - model_name: m\n    litellm_params: {model: ollama_chat/x, api_base: "
        "'http://h:1'}\n    model_info:\n      mode: chat\n      ";
    text += info;
    text += "\ngeneral_settings:\n  devices:\n    ";
    text += devices;
    return load(files.write("config.yaml", text + "\n"), Environment::of({}), Scope::all);
}

TEST(DeviceChecks, EachMistakeIsOneDiagnosticAtItsPlace) {
    using Case = std::tuple<std::string, std::string, std::string, int, Severity>;
    const std::string cuda = "cuda: {memory_gb: 8}";
    for (const auto& [info, devices, text, line, severity] : std::vector<Case>{
             {"memory_gb: -3", "{}", "memory_gb must be from 0 to 100000", 6, Severity::error},
             {"memory_gb: 1e30", "{}", "memory_gb must be from 0 to 100000", 6, Severity::error},
             {"memory_gb: 80\n      device: cuda", cuda,
              "memory_gb 80 of m is more than the 8 that cuda has", 6, Severity::warning},
             {"device: CUDA", cuda,
              "device `CUDA` is neither cpu, cuda nor a name of "
              "devices.yaml (did you mean `cuda`?)",
              6, Severity::warning},
             {"device: gpu", "{}",
              "device `gpu` is neither cpu, cuda nor a name of devices.yaml (did you mean `cuda`?)",
              6, Severity::warning},
             {"device: 5", "{}", "device `5` is neither cpu, cuda nor", 6, Severity::warning},
             {"device: gpuO", "{gpu0: {gpu: 0}, gpuO: {gpu: 1}}",
              "no model is on the device `gpu0`, models are on: gpuO", 9, Severity::warning},
             {"device: cuda", "cdua: {memory_gb: 8}",
              "no model is on the device `cdua`, models are on: cuda", 9, Severity::warning},
             {"device: cpu", "'': {jobs: 1}", "a device has no name", 9, Severity::error},
             {"device: cpu", "cpu: {gpu: 3}", "`gpu` of the device cpu is not read", 9,
              Severity::warning}}) {
        const Loaded loaded = load_with(info, devices);
        EXPECT_EQ(loaded.diagnostics.size(), 1u) << info << "\n" << lines(loaded.diagnostics);
        const Diagnostic* found = about(loaded.diagnostics, text);
        ASSERT_TRUE(found) << text << "\n" << lines(loaded.diagnostics);
        EXPECT_EQ(found->line, line) << info;
        EXPECT_EQ(found->severity, severity) << info;
    }
}

TEST(DeviceChecks, WhatIsRightIsSilent) {
    for (const auto& [info, devices] : std::vector<std::pair<std::string, std::string>>{
             {"device: cuda\n      memory_gb: 8", "cuda: {memory_gb: 8}"},
             {"device: cpu\n      memory_gb: 0.05", "{}"},
             {"device: second\n      memory_gb: 80", "second: {gpu: 1}"},
             {"memory_gb: 4", "{}"}}) {
        const Loaded loaded = load_with(info, devices);
        EXPECT_TRUE(loaded.diagnostics.empty()) << info << "\n" << lines(loaded.diagnostics);
    }
}

TEST(DeviceChecks, AFolderInServiceKnowsOnlyWhatIsOn) {
    const TestFiles files;
    files.write("providers/ollama.yaml",
                "flag: OLLAMA\nmodels:\n  - model_name: m\n"
                "    litellm_params: {model: ollama_chat/x, api_base: 'http://h:1'}\n"
                "    model_info: {mode: chat, device: cuda, memory_gb: 80}\n");
    files.write("providers/other.yaml",
                "flag: OTHER\nmodels:\n  - model_name: o\n"
                "    litellm_params: {model: ollama_chat/x, api_base: 'http://h:1'}\n"
                "    model_info: {mode: chat, device: cpu}\n");
    files.write("devices.yaml", "cuda:\n  memory_gb: 8\n");
    const auto told = [&](const char* on, Scope scope) {
        return load(files.root(), Environment::of({{on, "1"}}), scope).diagnostics;
    };
    EXPECT_FALSE(about(told("OTHER", Scope::serving), "cuda"));
    EXPECT_FALSE(about(told("OTHER", Scope::all), "cuda")) << "what is off may be too large";
    EXPECT_TRUE(about(told("OLLAMA", Scope::all), "memory_gb 80 of m is more than the 8"));
}

}  // namespace
}  // namespace config
