#include "config/test_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace config {
namespace {

std::string entry(std::string_view alias, std::string_view engine, std::string_view params = "") {
    return fmt::format(
        "  - model_name: {}\n    litellm_params: {{model: openai/{}, api_key: unused{}}}\n"
        "    model_info:\n      mode: chat\n      engine: {{{}}}\n",
        alias, alias, params, engine);
}

Loaded load_with(const TestFiles& files, const std::string& entries, std::string_view env = "") {
    const Environment environment = Environment::read(files.write(".env", env));
    return load(files.write("config.yaml", "model_list:\n" + entries), environment, Scope::all);
}

void expect_one(const Loaded& loaded, std::string_view text, std::string_view file, int line,
                Severity severity) {
    ASSERT_EQ(loaded.diagnostics.size(), 1u) << text << "\n" << lines(loaded.diagnostics);
    const Diagnostic& found = loaded.diagnostics.front();
    EXPECT_TRUE(found.text.contains(text)) << found.str();
    EXPECT_TRUE(found.file.ends_with(file)) << found.str();
    EXPECT_EQ(found.line, line) << found.str();
    EXPECT_EQ(found.severity, severity) << found.str();
}

TEST(EngineChecks, TwoEnginesOfOnePort) {
    const TestFiles files;
    const Loaded loaded = load_with(
        files, entry("a", "command: [x], port: 5000") + entry("b", "command: [y], port: 5000"));
    expect_one(loaded, "port 5000 of `b` is the engine port of `a` (", "config.yaml", 11,
               Severity::error);
    EXPECT_TRUE(loaded.diagnostics.front().text.contains("config.yaml:6)"));
    for (const std::string_view more : {"port: 5001", "ttl: 1m"}) {
        const Loaded apart =
            load_with(files, entry("a", "command: [x], port: 5000") +
                                 entry("b", fmt::format("command: [y], {}", more)));
        EXPECT_TRUE(apart.diagnostics.empty()) << lines(apart.diagnostics);
    }
    const Loaded turns =
        load_with(files, entry("a", "command: [x], port: 5000, exclusive: one") +
                             entry("b", "command: [y], port: 5000, exclusive: one"));
    EXPECT_TRUE(turns.diagnostics.empty()) << "they never run at once\n"
                                           << lines(turns.diagnostics);
}

TEST(EngineChecks, AVariableThatNamesNoProgram) {
    const TestFiles files;
    const std::string models = entry("a", "command: [sd-server]") +
                               entry("b", "command: [sd-server]") + entry("c", "command: [x]");
    expect_one(load_with(files, models, "SD_SERVER=/nope\n"),
               "SD_SERVER names `/nope`, where no program is", ".env", 1, Severity::warning);
    EXPECT_TRUE(load_with(files, models, "SD_SERVER=/bin/sh\n").diagnostics.empty());
    EXPECT_TRUE(load_with(files, models, "LLAMACPP_SERVER=/nope\n").diagnostics.empty())
        << "no engine that is on needs it";
}

TEST(EngineChecks, AModelOfOnesOwnThatIsNotThere) {
    const TestFiles files;
    const std::string model =
        entry("a", "command: [llama-server, --model, os.environ/LLAMACPP_MODEL]") +
        "      requires: LLAMACPP_MODEL\n";
    const auto told = [&](std::string_view env) { return load_with(files, model, env); };
    expect_one(told("LLAMACPP_MODEL=/nope\n"), "LLAMACPP_MODEL names `/nope`, where no file is",
               ".env", 1, Severity::warning);
    files.write("models/m.gguf", "gguf");
    EXPECT_TRUE(told("LLAMACPP_MODEL=models/m.gguf\n").diagnostics.empty());
    const std::string url = "LLAMACPP_MODEL=https://h/x.gguf\n";
    EXPECT_TRUE(told(url).diagnostics.empty());
    expect_one(told(url + "LLAMACPP_MODEL_SHA256=zz\n"),
               "LLAMACPP_MODEL_SHA256 must be the file's checksum, 64 hexadecimal digits", ".env",
               2, Severity::error);
    EXPECT_TRUE(
        told(url + "LLAMACPP_MODEL_SHA256=" + std::string(64, 'a') + "\n").diagnostics.empty());
    EXPECT_TRUE(told("").diagnostics.empty());
}

TEST(EngineChecks, AnAddressBesideAnEngineHasNoEffect) {
    const TestFiles files;
    const Loaded loaded =
        load_with(files, entry("a", "command: [x]", ", api_base: 'http://h:1/v1'"));
    expect_one(loaded, "`api_base` has no effect beside `engine`", "config.yaml", 3,
               Severity::warning);
    ASSERT_TRUE(target(loaded, "a") && target(loaded, "a")->engine);
    EXPECT_TRUE(target(loaded, "a")->base.host.empty());
}

TEST(EngineChecks, APlaceholderThatNobodyKnows) {
    const TestFiles files;
    const Loaded loaded = load_with(files, entry("a", "command: [x, '--at={host}:{prot}']"));
    expect_one(
        loaded,
        "`{prot}` in the command is handed on as it stands; what is replaced is {host} and {port}",
        "config.yaml", 6, Severity::warning);
    for (const std::string_view word :
         {"{host}:{port}", "{{name}}", "${NAME}", "{\"a\": 1}", "{}", "{ x }", "{a"}) {
        const Loaded fine = load_with(files, entry("a", fmt::format("command: [x, '{}']", word)));
        EXPECT_TRUE(fine.diagnostics.empty()) << word << "\n" << lines(fine.diagnostics);
    }
}

}  // namespace
}  // namespace config
