#include "config/test_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace config {
namespace {

Loaded load_with(const TestFiles& files, const std::string& path, std::string_view env_text) {
    const Environment env = Environment::read(files.write(".env", env_text));
    return load(path, env, Scope::all);
}

void expect_one(const Loaded& loaded, std::string_view text, std::string_view file, int line) {
    ASSERT_EQ(loaded.diagnostics.size(), 1u) << lines(loaded.diagnostics);
    const Diagnostic& found = loaded.diagnostics.front();
    EXPECT_TRUE(found.text.contains(text)) << found.str();
    EXPECT_TRUE(found.file.ends_with(file)) << found.str();
    EXPECT_EQ(found.line, line) << found.str();
    EXPECT_EQ(found.severity, Severity::error);
}

std::string entries(std::string_view params) {
    std::string text = "model_list:\n";
    for (const std::string_view name : {"a", "b"})
        text += fmt::format(
            "  - model_name: {}\n    litellm_params: {{model: ollama_chat/x, {}}}\n", name, params);
    return text;
}

TEST(Variables, AnAddressOfAFlagIsToldOnceWhereItIsSet) {
    const TestFiles files;
    std::string fragment = "flag: OLLAMA\nmodels:\n";
    for (const std::string_view name : {"a", "b", "c"})
        fragment += fmt::format(
            "  - model_name: {}\n    litellm_params: {{model: ollama_chat/x, api_base: "
            "'http://h:1'}}\n    model_info: {{mode: chat}}\n",
            name);
    files.write("providers/ollama.yaml", fragment);
    for (const std::string_view flag : {"1", "0"})
        expect_one(load_with(files, files.root(),
                             fmt::format("OLLAMA={}\nOLLAMA_API_BASE=localhost:11434\n", flag)),
                   "OLLAMA_API_BASE can't be used as an address: it must begin with http://",
                   ".env", 2);
    const Loaded served = load_with(files, files.root(), "OLLAMA=1\nOLLAMA_API_BASE=h:1\n");
    ASSERT_TRUE(target(served, "a"));
    EXPECT_EQ(target(served, "a")->left_out, "OLLAMA_API_BASE is no address");
}

TEST(Variables, AnAddressThatAFileTakesFromOneIsToldOnceWhereItIsSet) {
    const TestFiles files;
    const std::string path = files.write("config.yaml", entries("api_base: os.environ/FW_T_BASE"));
    expect_one(load_with(files, path, "# mine\nFW_T_BASE=localhost:11434\n"),
               "FW_T_BASE can't be used as an address", ".env", 2);
    expect_one(load_with(files, files.write("config.yaml", entries("timeout: 5")),
                         "OLLAMA_API_BASE=localhost:11434\n"),
               "OLLAMA_API_BASE can't be used as an address", ".env", 1);
}

TEST(Variables, AnyOtherValueOfOneIsToldOnceWithItsName) {
    const TestFiles files;
    const std::string params = "api_base: 'http://h:1', timeout: os.environ/FW_T_TIME";
    expect_one(load_with(files, files.write("config.yaml", entries(params)), "\nFW_T_TIME=soon\n"),
               "`timeout` must be seconds or a duration such as 90s or 5m, but is `soon` (it comes "
               "from FW_T_TIME)",
               ".env", 2);
    const std::string own = entries(params) + "environment_variables:\n  FW_T_TIME: soon\n";
    expect_one(load_with(files, files.write("config.yaml", own), ""), "(it comes from FW_T_TIME)",
               "config.yaml", 7);
}

TEST(Variables, AnAddressInTheFileItselfIsToldThere) {
    const TestFiles files;
    const std::string text =
        "model_list:\n  - model_name: a\n    litellm_params:\n      model: ollama_chat/x\n"
        "      api_base: localhost:11434\n";
    expect_one(load_with(files, files.write("config.yaml", text), ""),
               "`a` is left out: its api_base can't be used", "config.yaml", 5);
}

}  // namespace
}  // namespace config
