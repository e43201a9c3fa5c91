#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

using base::Provider;

constexpr std::string_view kGroq = R"(provider: groq
flag: GROQ
tier: free
docs: https://example.com
key: GROQ_API_KEY
limits:
  - {metric: requests, window: day, limit: 1000, reset: bucket}
models:
  - model_name: groq-a
    litellm_params:
      model: groq/a
    model_info:
      mode: chat
      capabilities: [streaming, tools]
      limits:
        - {metric: tokens, window: 5h, limit: 10, reset: first_use, scope: key}
  - model_name: groq-b
    litellm_params:
      model: groq/org/b
      api_key: os.environ/GROQ_API_KEY
)";

constexpr std::string_view kBareOllama = R"(- model_name: local-ollama-cuda-x
  litellm_params:
    model: ollama_chat/x:3b
    api_base: http://ollama-cuda:11434
    keep_alive: 5m
    extra_body: {options: {num_gpu: 99}, truncate: false}
)";

const Environment kOn = Environment::of({{"GROQ", "1"}, {"GROQ_API_KEY", "k"}});

TEST(Folder, ServesTheFragmentsThatAreOn) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    files.write("providers/ollama-cuda.yaml", kBareOllama);
    Loaded loaded = load(files.root(), kOn, Scope::serving);
    ASSERT_TRUE(loaded.catalog);
    EXPECT_TRUE(loaded.ok()) << lines(loaded.diagnostics);
    ASSERT_EQ(loaded.catalog->aliases.size(), 2u);
    const Target& a = loaded.catalog->targets[0];
    EXPECT_EQ(a.id, "groq-a");
    EXPECT_EQ(a.provider, Provider::groq);
    EXPECT_EQ(a.model, "a");
    EXPECT_EQ(a.base.text(), "https://api.groq.com/openai/v1");
    EXPECT_EQ(a.key.reveal(), "k");
    EXPECT_EQ(a.account, "groq:GROQ_API_KEY");
    EXPECT_EQ(a.tier, Tier::free);
    EXPECT_TRUE(a.tier_stated);
    EXPECT_EQ(loaded.catalog->targets[1].model, "org/b");
    EXPECT_TRUE(a.origin.ends_with("groq.yaml:9"));
}

TEST(Folder, GivesEveryModelTheLimitsOfItsFragment) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    Loaded loaded = load(files.root(), kOn, Scope::serving);
    const Target& a = *target(loaded, "groq-a");
    ASSERT_EQ(a.limits.size(), 2u);
    EXPECT_EQ(a.limits[0].metric, "tokens");
    EXPECT_EQ(a.limits[0].window, "5h");
    EXPECT_EQ(a.limits[0].reset, "first_use");
    EXPECT_EQ(a.limits[0].scope, "account");
    EXPECT_EQ(a.limits[1].reset, "token_bucket");
    EXPECT_EQ(a.limits[1].scope, "account");
    EXPECT_EQ(a.limits[1].limit, 1000);
    EXPECT_EQ(target(loaded, "groq-b")->limits.size(), 1u);
}

TEST(Folder, TakesTheFlagOfABareListFromTheFileName) {
    TestFiles files;
    files.write("providers/ollama-cuda.yaml", kBareOllama);
    Loaded loaded = load(files.root(), Environment::of({{"OLLAMA_CUDA", "1"}}), Scope::serving);
    const Target* x = target(loaded, "local-ollama-cuda-x");
    ASSERT_TRUE(x) << lines(loaded.diagnostics);
    EXPECT_EQ(x->provider, Provider::ollama);
    EXPECT_EQ(x->tier, Tier::local);
    EXPECT_EQ(x->device, "cuda");
    EXPECT_EQ(x->account, "ollama:ollama-cuda:11434");
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(Folder, MergesOllamaOptionsIntoTheDefaults) {
    TestFiles files;
    files.write("providers/ollama-cuda.yaml", kBareOllama);
    Loaded loaded = load(files.root(), Environment::of({{"OLLAMA_CUDA", "1"}}), Scope::serving);
    const Target& x = *target(loaded, "local-ollama-cuda-x");
    EXPECT_EQ(default_of(x, "keep_alive"), "\"5m\"");
    EXPECT_EQ(default_of(x, "num_gpu"), "99");
    ASSERT_EQ(x.overrides.size(), 1u);
    EXPECT_EQ(x.overrides[0].first, "truncate");
}

TEST(Folder, CallsThereWhereTheEnvironmentSays) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    files.write("providers/openai.yaml",
                "flag: OPENAI\nkey: OPENAI_API_KEY\nmodels:\n"
                "  - {model_name: o, litellm_params: {model: openai/gpt-4o}}\n");
    files.write("providers/talkies.yaml",
                "flag: TALKIES\napi_base: http://talkies:8000/v1\nmodels:\n"
                "  - {model_name: t, litellm_params: {model: openai/t}}\n");
    Environment env = Environment::of({{"GROQ", "1"},
                                       {"GROQ_API_KEY", "k"},
                                       {"OPENAI", "1"},
                                       {"OPENAI_API_KEY", "k"},
                                       {"TALKIES", "1"},
                                       {"GROQ_API_BASE", "http://127.0.0.1:9001/v1/"},
                                       {"OPENAI_API_BASE", "http://127.0.0.1:9002/v1"}});
    Loaded loaded = load(files.root(), env, Scope::serving);
    EXPECT_EQ(target(loaded, "groq-b")->base.text(), "http://127.0.0.1:9001/v1");
    EXPECT_EQ(target(loaded, "groq-b")->provider, Provider::groq);
    EXPECT_EQ(target(loaded, "o")->base.text(), "http://127.0.0.1:9002/v1");
    EXPECT_EQ(target(loaded, "o")->provider, Provider::openai);
    EXPECT_EQ(target(loaded, "t")->base.text(), "http://talkies:8000/v1");
    EXPECT_EQ(target(loaded, "t")->provider, Provider::openai_compatible);
}

TEST(Folder, MarksTheTargetsOfAFlagWithoutItsKeyAndSaysSoOnce) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    std::string dotenv = files.write(".env", "FW_T=1\nGROQ=1\n");
    for (Scope scope : {Scope::serving, Scope::all}) {
        Loaded loaded = load(files.root(), Environment::read(dotenv), scope);
        ASSERT_EQ(loaded.diagnostics.size(), 1u) << lines(loaded.diagnostics);
        const Diagnostic& one = loaded.diagnostics[0];
        EXPECT_EQ(one.severity, Severity::error);
        EXPECT_EQ(one.file, dotenv);
        EXPECT_EQ(one.line, 2);
        EXPECT_TRUE(one.text.contains("GROQ_API_KEY is not set")) << one.text;
        EXPECT_TRUE(loaded.catalog);
        ASSERT_EQ(loaded.catalog->targets.size(), 2u);
        for (const Target& one_target : loaded.catalog->targets) {
            EXPECT_EQ(one_target.left_out, "GROQ_API_KEY is not set");
        }
    }
}

TEST(Folder, WarnsOfAKeyWithoutItsFlag) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    std::string dotenv = files.write(".env", "GROQ_API_KEY=k\n");
    Loaded loaded = load(files.root(), Environment::read(dotenv), Scope::serving);
    const Diagnostic* idle = about(loaded.diagnostics, "GROQ is not 1");
    ASSERT_TRUE(idle) << lines(loaded.diagnostics);
    EXPECT_EQ(idle->severity, Severity::warning);
    EXPECT_EQ(idle->line, 1);
}

TEST(Folder, WarnsOfAFlagThatIsAlmostOn) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    std::string dotenv = files.write(".env", "GROQ=true\n");
    Loaded loaded = load(files.root(), Environment::read(dotenv), Scope::serving);
    EXPECT_TRUE(about(loaded.diagnostics, "exactly 1")) << lines(loaded.diagnostics);
}

TEST(Folder, StartsWithNothingOnAndSaysSo) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    Loaded loaded = load(files.root(), Environment::of({}), Scope::serving);
    ASSERT_TRUE(loaded.catalog);
    EXPECT_TRUE(loaded.catalog->aliases.empty());
    EXPECT_TRUE(loaded.ok());
    EXPECT_TRUE(about(loaded.diagnostics, "no provider is on"));
}

TEST(Folder, ReadsEverythingForTheCheckWithoutKeys) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    files.write("providers/ollama-cuda.yaml", kBareOllama);
    Loaded loaded = load(files.root(), Environment::of({}), Scope::all);
    EXPECT_EQ(loaded.catalog->targets.size(), 3u);
    EXPECT_TRUE(loaded.ok()) << lines(loaded.diagnostics);
    EXPECT_EQ(target(loaded, "groq-a")->account, "groq:GROQ_API_KEY");
}

TEST(Folder, KeepsABrokenFragmentOutOfTheWayWhileItIsOff) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    files.write("providers/mistral.yaml", "models: [\n");
    EXPECT_TRUE(load(files.root(), kOn, Scope::serving).ok());
    Loaded all = load(files.root(), kOn, Scope::all);
    EXPECT_FALSE(all.ok());
    EXPECT_FALSE(all.catalog);
    Environment both = Environment::of({{"GROQ", "1"}, {"GROQ_API_KEY", "k"}, {"MISTRAL", "1"}});
    EXPECT_FALSE(load(files.root(), both, Scope::serving).catalog);
}

TEST(Folder, EnablesAnEntryByTheVariableThatItRequires) {
    TestFiles files;
    files.write("providers/llamacpp.yaml",
                "flag: LLAMACPP\ntier: local\nmodels:\n"
                "  - model_name: local-llamacpp-custom\n"
                "    litellm_params: {model: openai/custom, api_key: unused}\n"
                "    model_info:\n"
                "      requires: LLAMACPP_MODEL\n"
                "      memory_gb: 0.5\n"
                "      engine: {command: [llama-server, --model, os.environ/LLAMACPP_MODEL],\n"
                "               ttl: 10m, start_timeout: 30s}\n");
    files.write("x.gguf", "gguf");
    EXPECT_FALSE(target(load(files.root(), Environment::of({{"LLAMACPP", "1"}}), Scope::serving),
                        "local-llamacpp-custom"));
    Environment env = Environment::of({{"LLAMACPP", "1"}, {"LLAMACPP_MODEL", "x.gguf"}});
    Loaded loaded = load(files.root(), env, Scope::serving);
    const Target* custom = target(loaded, "local-llamacpp-custom");
    ASSERT_TRUE(custom) << lines(loaded.diagnostics);
    ASSERT_TRUE(custom->engine);
    EXPECT_EQ(custom->engine->command[2], "x.gguf");
    EXPECT_EQ(custom->engine->ttl, base::Duration(600'000));
    EXPECT_EQ(custom->engine->start_timeout, base::Duration(30'000));
    EXPECT_EQ(custom->engine->ready, "/health");
    EXPECT_TRUE(custom->base.host.empty());
    EXPECT_TRUE(custom->key.empty());
    EXPECT_EQ(custom->device, "cpu");
    EXPECT_EQ(custom->provider, Provider::openai_compatible);
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(Folder, StartsNoEngineThatRunsElsewhere) {
    TestFiles files;
    files.write("providers/llamacpp.yaml",
                "flag: LLAMACPP\nmodels:\n"
                "  - model_name: m\n    litellm_params: {model: openai/m, api_key: unused}\n"
                "    model_info: {engine: {command: [llama-server]}}\n");
    Environment env = Environment::of({{"LLAMACPP", "1"}, {"LLAMACPP_API_BASE", "http://h:1/v1"}});
    Loaded loaded = load(files.root(), env, Scope::serving);
    EXPECT_FALSE(target(loaded, "m")->engine);
    EXPECT_EQ(target(loaded, "m")->base.text(), "http://h:1/v1");
    EXPECT_EQ(target(loaded, "m")->provider, Provider::openai_compatible);
}

TEST(Folder, GivesAKeyToAServiceThatAsksForNoneElsewhere) {
    TestFiles files;
    files.write(
        "providers/talkies.yaml",
        "flag: TALKIES\nmodels:\n"
        "  - model_name: a\n    litellm_params: {model: openai/a, api_base: \"http://h:1\", "
        "api_key: unused}\n"
        "  - model_name: b\n    litellm_params: {model: openai/b, api_base: \"http://h:1\", "
        "api_key: own}\n");
    Environment env = Environment::of({{"TALKIES", "1"}, {"TALKIES_API_KEY", "k"}});
    Loaded loaded = load(files.root(), env, Scope::serving);
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    EXPECT_EQ(target(loaded, "a")->key.reveal(), "k");
    EXPECT_EQ(target(loaded, "b")->key.reveal(), "own");
}

TEST(Folder, FiltersChainsToWhatIsOn) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    files.write("providers/ollama-cuda.yaml", kBareOllama);
    files.write("fallbacks.json", "{\"groq-a\": [\"local-ollama-cuda-x\", \"groq-b\"]}");
    Loaded loaded = load(files.root(), kOn, Scope::serving);
    EXPECT_EQ(loaded.catalog->find("groq-a")->chain, std::vector<std::string>{"groq-b"});
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(Folder, ReadsLiteLLMsListOfFallbacks) {
    TestFiles files;
    files.write("providers/groq.yaml", kGroq);
    files.write("fallbacks.json", "[{\"groq-a\": [\"groq-b\"]}, {\"groq-b\": [\"groq-a\"]}]");
    Loaded loaded = load(files.root(), kOn, Scope::serving);
    EXPECT_EQ(loaded.catalog->find("groq-b")->chain, std::vector<std::string>{"groq-a"});
}

TEST(Folder, RunsTheStackOfThePageAsItIs) {
    TestFiles files;
    files.write("providers/groq.yaml",
                "- model_name: groq-a\n  litellm_params:\n    model: groq/a\n"
                "    api_key: os.environ/GROQ_API_KEY\n");
    files.write("providers/claudebox-zai.yaml",
                "- model_name: c\n  litellm_params:\n    model: openai/opus\n"
                "    api_base: http://claudebox:8080/openai/v1\n    api_key: none\n");
    files.write("mcp/tools.yaml", "tools: {url: x}\n");
    files.write("fallbacks.json", "{\"groq-a\": [\"c\"]}");
    files.write("base.yaml", R"(general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: os.environ/DATABASE_URL
  cache: true
  cache_params: {type: redis}
  request_timeout: 600
  drop_params: true
litellm_settings:
  drop_params: true
  num_retries: 3
  request_timeout: 600
  callbacks: [callbacks.resource_manager.proxy_handler_instance]
router_settings:
  routing_strategy: latency-based-routing
  num_retries: 3
  timeout: 500
  retry_after: 5
mcp_servers:
  x: {url: http://x}
)");
    Environment env = Environment::of({{"GROQ", "1"},
                                       {"GROQ_API_KEY", "k"},
                                       {"CLAUDEBOX_ZAI", "1"},
                                       {"LITELLM_MASTER_KEY", "sk-1"}});
    Loaded loaded = load(files.root(), env, Scope::serving);
    ASSERT_TRUE(loaded.catalog);
    EXPECT_TRUE(loaded.ok()) << lines(loaded.diagnostics);
    EXPECT_EQ(loaded.catalog->settings.master_key.reveal(), "sk-1");
    EXPECT_EQ(loaded.catalog->settings.total, base::Duration(500'000));
    EXPECT_EQ(loaded.catalog->settings.num_retries, 3);
    EXPECT_EQ(target(loaded, "c")->tier, Tier::flat);
    EXPECT_EQ(loaded.catalog->find("groq-a")->chain, std::vector<std::string>{"c"});
    for (std::string_view key :
         {"`cache`", "`cache_params`", "`request_timeout`", "`drop_params`"}) {
        const Diagnostic* one = about(loaded.diagnostics, key);
        ASSERT_TRUE(one) << key << "\n" << lines(loaded.diagnostics);
        EXPECT_TRUE(one->text.contains("belongs under litellm_settings")) << one->text;
    }
    EXPECT_EQ(about(loaded.diagnostics, "`cache`")->line, 4);
    EXPECT_TRUE(about(loaded.diagnostics, "Python code"));
    EXPECT_TRUE(about(loaded.diagnostics, "`database_url`"));
    EXPECT_TRUE(about(loaded.diagnostics, "`mcp_servers`"));
}

TEST(Folder, NamesWhatItCannotRead) {
    TestFiles files;
    files.write("providers/groq.yaml",
                "flag: GROQ\ntier: cheap\nkeys: X\nkey: GROQ_API_KEY\nmodels:\n"
                "  - model_name: a\n    litellm_params: {model: groq/a, temprature: 1}\n"
                "    model_info:\n      capabilites: [tools]\n      capabilities: [visoin]\n"
                "      limits:\n        - {metric: request, window: minute, limit: 1}\n"
                "        - {metric: requests, window: fortnight, limit: 1}\n"
                "        - {metric: tokens, window: minute, limit: null}\n"
                "  - litellm_params: {model: groq/b}\n");
    Loaded loaded = load(files.root(), kOn, Scope::serving);
    auto line_of = [&](std::string_view part) {
        const Diagnostic* one = about(loaded.diagnostics, part);
        return one ? one->line : -1;
    };
    EXPECT_EQ(line_of("tier `cheap`"), 2);
    EXPECT_EQ(line_of("unknown key `keys`"), 3) << lines(loaded.diagnostics);
    EXPECT_EQ(line_of("did you mean `temperature`"), 7);
    EXPECT_EQ(line_of("did you mean `capabilities`"), 9);
    EXPECT_EQ(line_of("did you mean `vision`"), 10);
    EXPECT_EQ(line_of("`metric` of a limit"), 12);
    EXPECT_EQ(line_of("`window` of a limit"), 13);
    EXPECT_EQ(line_of("needs model_name"), 15);
    ASSERT_EQ(target(loaded, "a")->limits.size(), 1u);
    EXPECT_FALSE(target(loaded, "a")->limits[0].limit) << "null: to be learned";
}

TEST(Folder, NeedsFragments) {
    TestFiles files;
    files.write("config.yaml", "model_list: []\n");
    Loaded loaded = load(files.root(), Environment::of({}), Scope::serving);
    EXPECT_FALSE(loaded.ok());
    EXPECT_TRUE(about(loaded.diagnostics, "no *.yaml fragment"));
}

}  // namespace
}  // namespace config
