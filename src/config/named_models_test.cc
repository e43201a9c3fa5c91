#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

constexpr std::string_view kBox = R"(flag: BOX
tier: flat
key: BOX_KEY
models_from: BOX_MODELS
alias_prefix: box-
models:
  - model_name: box-a
    litellm_params: {model: openai/a, api_base: http://127.0.0.1:9/v1, timeout: 600}
    model_info: {mode: chat, max_input_tokens: 8192, capabilities: [streaming, agent],
                 input_cost_per_token: 1.0e-6, note: first}
  - model_name: box-b
    litellm_params: {model: openai/b, api_base: http://127.0.0.1:9/v1, timeout: 600, seed: 1}
    model_info: {mode: chat, max_input_tokens: 8192, capabilities: [streaming, agent],
                 input_cost_per_token: 1.0e-6}
)";

constexpr std::string_view kGroq = R"(flag: GROQ
tier: free
key: GROQ_API_KEY
models:
  - {model_name: groq-a, litellm_params: {model: groq/a}, model_info: {mode: chat}}
)";

constexpr std::string_view kChains =
    R"({"box-a": ["box-b", "groq-a"], "box-b": ["box-a", "groq-a"], "groq-a": ["box-a", "box-b"]})";

void write_folder(const TestFiles& files) {
    files.write("providers/box.yaml", kBox);
    files.write("providers/groq.yaml", kGroq);
    files.write("fallbacks.json", kChains);
}

Environment naming(const std::string& models) {
    return Environment::of({{"BOX", "1"},
                            {"BOX_KEY", "k"},
                            {"GROQ", "1"},
                            {"GROQ_API_KEY", "k"},
                            {"BOX_MODELS", models}});
}

std::vector<std::string> aliases(const Loaded& loaded) {
    std::vector<std::string> names;
    for (const Alias& alias : loaded.catalog->aliases) names.push_back(alias.name);
    return names;
}

using Names = std::vector<std::string>;

TEST(NamedModels, AreAllOfTheFragmentWithoutTheVariable) {
    TestFiles files;
    write_folder(files);
    for (const char* unset : {"", "  ", ", ,"}) {
        Loaded loaded = load(files.root(), naming(unset), Scope::serving);
        EXPECT_EQ(aliases(loaded), (Names{"box-a", "box-b", "groq-a"})) << unset;
        EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    }
}

TEST(NamedModels, AreThoseOfTheVariableInItsOrder) {
    TestFiles files;
    write_folder(files);
    Loaded loaded = load(files.root(), naming(" new:1 ,, b,"), Scope::serving);
    EXPECT_EQ(aliases(loaded), (Names{"box-new:1", "box-b", "groq-a"}));
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    const Target& b = *target(loaded, "box-b");
    EXPECT_EQ(b.max_input_tokens, 8192);
    EXPECT_EQ(default_of(b, "seed"), "1");
    EXPECT_EQ(loaded.catalog->find("box-b")->chain, Names{"groq-a"});
    EXPECT_EQ(loaded.catalog->find("groq-a")->chain, Names{"box-b"});
}

TEST(NamedModels, GetWhatTheEntriesShareWhereNoneIsTheirs) {
    TestFiles files;
    write_folder(files);
    Loaded loaded = load(files.root(), naming("new"), Scope::serving);
    const Target* made = target(loaded, "box-new");
    ASSERT_TRUE(made) << lines(loaded.diagnostics);
    EXPECT_EQ(made->model, "new");
    EXPECT_EQ(made->provider, base::Provider::openai_compatible);
    EXPECT_EQ(made->base.text(), "http://127.0.0.1:9/v1");
    EXPECT_EQ(made->key_name, "BOX_KEY");
    EXPECT_EQ(made->tier, Tier::flat);
    EXPECT_EQ(made->timeout, base::Duration(600'000));
    EXPECT_TRUE(made->capabilities.agent);
    EXPECT_FALSE(made->max_input_tokens);
    EXPECT_EQ(made->prices.input_cost_per_token, 0);
    EXPECT_EQ(made->note, "");
    EXPECT_EQ(default_of(*made, "seed"), "");
    EXPECT_TRUE(loaded.catalog->find("box-new")->chain.empty());
}

TEST(NamedModels, LeaveNothingForTheCheckToSay) {
    TestFiles files;
    write_folder(files);
    Loaded loaded = load(files.root(), naming("new,b"), Scope::all);
    EXPECT_EQ(aliases(loaded), (Names{"box-new", "box-b", "box-a", "groq-a"}));
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(NamedModels, AreReportedAtTheirLineWhenTheyCannotBeServed) {
    TestFiles files;
    write_folder(files);
    std::string dotenv =
        files.write(".env", "BOX=1\nBOX_KEY=k\nBOX_MODELS=a, b c,x/y,d*,a,e\x01,n\xc3\xa9\n");
    for (Scope scope : {Scope::serving, Scope::all}) {
        Loaded loaded = load(files.root(), Environment::read(dotenv), scope);
        EXPECT_EQ(loaded.diagnostics.size(), 6u) << lines(loaded.diagnostics);
        for (const Diagnostic& one : loaded.diagnostics) {
            EXPECT_EQ(one.file, dotenv);
            EXPECT_EQ(one.line, 3);
        }
        for (std::string_view bad : {"`b c`", "`x/y`", "`d*`", "`e?`", "`n\xc3\xa9`"}) {
            const Diagnostic* one = about(loaded.diagnostics, bad);
            ASSERT_TRUE(one) << bad << "\n" << lines(loaded.diagnostics);
            EXPECT_EQ(one->severity, Severity::error);
        }
        ASSERT_TRUE(about(loaded.diagnostics, "`a` twice"));
        EXPECT_EQ(about(loaded.diagnostics, "`a` twice")->severity, Severity::warning);
        EXPECT_TRUE(target(loaded, "box-a"));
    }
}

TEST(NamedModels, StandInTheAssembledFile) {
    TestFiles files;
    write_folder(files);
    Environment env = naming("new,b");
    auto text = assemble(files.root(), env);
    ASSERT_TRUE(text) << text.error().detail;
    EXPECT_FALSE(text->contains("box-a")) << *text;
    EXPECT_FALSE(text->contains("models_from")) << *text;
    std::string path = files.write("out/config.yaml", *text);
    Loaded folder = load(files.root(), env, Scope::serving);
    for (Scope scope : {Scope::serving, Scope::all}) {
        Loaded file = load(path, env, scope);
        EXPECT_TRUE(file.diagnostics.empty()) << lines(file.diagnostics);
        ASSERT_EQ(aliases(file), aliases(folder));
        for (std::size_t i = 0; i < file.catalog->aliases.size(); ++i) {
            const Target& a = folder.catalog->targets[i];
            const Target& b = file.catalog->targets[i];
            EXPECT_EQ(folder.catalog->aliases[i].chain, file.catalog->aliases[i].chain);
            EXPECT_EQ(a.model, b.model);
            EXPECT_EQ(a.base.text(), b.base.text());
            EXPECT_EQ(a.key_name, b.key_name);
            EXPECT_EQ(a.tier, b.tier);
            EXPECT_EQ(a.timeout, b.timeout);
            EXPECT_EQ(a.capabilities.agent, b.capabilities.agent);
            EXPECT_EQ(a.max_input_tokens, b.max_input_tokens);
        }
    }
}

}  // namespace
}  // namespace config
