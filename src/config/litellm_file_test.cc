#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

using base::Provider;

Loaded load_text(std::string_view text, std::map<std::string, std::string> env = {}) {
    TestFiles files;
    return load(files.write("config.yaml", text), Environment::of(std::move(env)), Scope::serving);
}

/// One deployment `a` with these litellm_params, in YAML flow form.
Loaded load_params(const std::string& params, std::map<std::string, std::string> env = {},
                   const std::string& info = "{}") {
    return load_text("model_list:\n  - model_name: a\n    litellm_params: {" + params +
                         "}\n    model_info: " + info + "\n",
                     std::move(env));
}

TEST(LiteLLMFile, KnowsEveryPrefixOfThePage) {
    struct Case {
        const char* model;
        Provider provider;
        const char* upstream;
        const char* base;
        const char* key;
    };
    const Case cases[] = {
        {"groq/llama", Provider::groq, "llama", "https://api.groq.com/openai/v1", "GROQ_API_KEY"},
        {"cerebras/x", Provider::cerebras, "x", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"},
        {"openrouter/a/b:free", Provider::openrouter, "a/b:free", "https://openrouter.ai/api/v1",
         "OR_API_KEY"},
        {"huggingface/org/m", Provider::huggingface, "org/m", "https://router.huggingface.co/v1",
         "HF_TOKEN"},
        {"huggingface/novita/org/m", Provider::huggingface, "org/m:novita",
         "https://router.huggingface.co/v1", "HUGGINGFACE_API_KEY"},
        {"mistral/m", Provider::mistral, "m", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"},
        {"cohere_chat/c", Provider::cohere, "c", "https://api.cohere.com", "CO_API_KEY"},
        {"cohere/embed", Provider::cohere, "embed", "https://api.cohere.com", "COHERE_API_KEY"},
        {"anthropic/claude", Provider::anthropic, "claude", "https://api.anthropic.com",
         "ANTHROPIC_API_KEY"},
        {"openai/gpt", Provider::openai, "gpt", "https://api.openai.com/v1", "OPENAI_API_KEY"},
        {"gpt-4o", Provider::openai, "gpt-4o", "https://api.openai.com/v1", "OPENAI_API_KEY"},
        {"claude-3", Provider::anthropic, "claude-3", "https://api.anthropic.com",
         "ANTHROPIC_API_KEY"},
        {"ollama/x:3b", Provider::ollama, "x:3b", "http://localhost:11434", ""},
        {"ollama_chat/x", Provider::ollama, "x", "http://localhost:11434", ""},
        {"deepseek/d", Provider::openai_compatible, "d", "https://api.deepseek.com/v1",
         "DEEPSEEK_API_KEY"},
    };
    for (const Case& one : cases) {
        std::map<std::string, std::string> env;
        if (*one.key) env[one.key] = "k";
        Loaded loaded = load_params(std::string("model: \"") + one.model + "\"", env);
        const Target* a = target(loaded, "a");
        ASSERT_TRUE(a) << one.model << "\n" << lines(loaded.diagnostics);
        EXPECT_EQ(a->provider, one.provider) << one.model;
        EXPECT_EQ(a->model, one.upstream);
        EXPECT_EQ(a->base.text(), one.base);
        EXPECT_EQ(a->key_name, one.key);
        EXPECT_FALSE(a->tier_stated);
        EXPECT_FALSE(a->capabilities.stated);
    }
}

TEST(LiteLLMFile, TakesAnyServerWithABase) {
    Loaded loaded =
        load_params("model: openai/opus, api_base: http://h:8080/openai/v1/chat/completions",
                    {{"OPENAI_API_KEY", "k"}});
    EXPECT_EQ(target(loaded, "a")->provider, Provider::openai_compatible);
    EXPECT_EQ(target(loaded, "a")->base.text(), "http://h:8080/openai/v1");
    EXPECT_TRUE(target(loaded, "a")->key.empty()) << "OpenAI's key must not go to another host";
    EXPECT_EQ(
        target(load_params("model: openai/x, api_base: https://api.openai.com/v1, api_key: k"), "a")
            ->provider,
        Provider::openai);
    loaded = load_params("model: strange/thing, api_base: http://h/v1");
    EXPECT_EQ(target(loaded, "a")->model, "strange/thing");
    EXPECT_EQ(target(loaded, "a")->provider, Provider::openai_compatible);
    loaded = load_params("model: gpt-9, api_base: http://h/v1");
    EXPECT_EQ(target(loaded, "a")->provider, Provider::openai_compatible);
    loaded = load_params("model: org/m, custom_llm_provider: groq, api_key: k");
    EXPECT_EQ(target(loaded, "a")->provider, Provider::groq);
    EXPECT_EQ(target(loaded, "a")->model, "org/m");
}

TEST(LiteLLMFile, AsksTheEnvironmentForBases) {
    EXPECT_EQ(target(load_params("model: groq/x",
                                 {{"GROQ_API_KEY", "k"}, {"GROQ_API_BASE", "http://g/v1"}}),
                     "a")
                  ->base.text(),
              "http://g/v1");
    EXPECT_EQ(
        target(load_params("model: openai/x, api_key: k", {{"OPENAI_BASE_URL", "http://o/v1"}}),
               "a")
            ->provider,
        Provider::openai_compatible);
    EXPECT_EQ(
        target(load_params("model: ollama/x", {{"OLLAMA_API_BASE", "http://o:1"}}), "a")->base.port,
        1);
    EXPECT_EQ(
        target(load_params("model: hosted_vllm/x", {{"HOSTED_VLLM_API_BASE", "http://v/v1"}}), "a")
            ->base.host,
        "v");
}

TEST(LiteLLMFile, LeavesOutWhatItCannotCall) {
    for (const char* params : {"model: strange/x", "model: bedrock/x", "model: hosted_vllm/x",
                               "model: openai/x, api_base: 'http://u:p@h/v1'"}) {
        Loaded loaded = load_params(params);
        ASSERT_TRUE(loaded.catalog);
        EXPECT_TRUE(loaded.catalog->targets.empty()) << params;
        ASSERT_EQ(loaded.diagnostics.size(), 1u) << lines(loaded.diagnostics);
        EXPECT_EQ(loaded.diagnostics[0].severity, Severity::error);
        EXPECT_EQ(loaded.diagnostics[0].line, 3);
    }
}

TEST(LiteLLMFile, DisablesADeploymentWhoseVariableIsMissing) {
    Loaded loaded = load_text(R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: os.environ/FW_T_KEY}}
  - {model_name: b, litellm_params: {model: groq/b, api_key: os.environ/FW_T_KEY}}
  - {model_name: c, litellm_params: {model: groq/c}}
  - {model_name: d, litellm_params: {model: groq/d, api_key: literal, stop: [os.environ/FW_T_STOP]}}
)",
                              {{"FW_T_STOP", "END"}});
    ASSERT_EQ(loaded.diagnostics.size(), 2u) << lines(loaded.diagnostics);
    EXPECT_TRUE(loaded.diagnostics[0].text.contains("a, b"));
    EXPECT_EQ(loaded.diagnostics[0].line, 2);
    EXPECT_TRUE(loaded.diagnostics[1].text.contains("GROQ_API_KEY"));
    EXPECT_EQ(target(loaded, "a")->left_out, "FW_T_KEY is not set");
    EXPECT_EQ(target(loaded, "c")->left_out, "GROQ_API_KEY is not set");
    EXPECT_EQ(target(loaded, "d")->left_out, "");
    EXPECT_EQ(default_of(*target(loaded, "d"), "stop"), "[\"END\"]");
    EXPECT_EQ(target(loaded, "d")->account, "groq:key1");
}

TEST(LiteLLMFile, KeepsAccountsOfLiteralKeysApart) {
    Loaded loaded = load_text(R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: sk-one}}
  - {model_name: b, litellm_params: {model: groq/b, api_key: sk-two}}
  - {model_name: c, litellm_params: {model: groq/c, api_key: sk-one}}
)");
    EXPECT_EQ(target(loaded, "a")->account, target(loaded, "c")->account);
    EXPECT_NE(target(loaded, "a")->account, target(loaded, "b")->account);
    EXPECT_FALSE(target(loaded, "a")->account.contains("sk-"));
}

TEST(LiteLLMFile, GroupsDeploymentsOfOneName) {
    Loaded loaded = load_text(R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: k, weight: 3, order: 2}}
  - {model_name: a, litellm_params: {model: mistral/a, api_key: k, rpm: 60, tpm: 900}}
  - {model_name: a, litellm_params: {model: cohere/e, api_key: k}, model_info: {mode: embedding}}
)");
    const Alias* a = loaded.catalog->find("a");
    EXPECT_EQ(a->targets, (std::vector<std::size_t>{0, 1}));
    EXPECT_EQ(target(loaded, "a")->weight, 3);
    EXPECT_EQ(target(loaded, "a")->order, 2);
    const Target& second = *target(loaded, "a#2");
    EXPECT_EQ(second.weight, 60);
    ASSERT_EQ(second.limits.size(), 2u);
    EXPECT_EQ(second.limits[0].metric, "requests");
    EXPECT_TRUE(second.limits[0].advisory) << "rpm is a share unless limits are enforced";
    EXPECT_TRUE(about(loaded.diagnostics, "group of mode chat"));
}

TEST(LiteLLMFile, EnforcesRatesWhenAskedTo) {
    Loaded loaded = load_text(R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: k, rpm: 60}}
router_settings: {optional_pre_call_checks: [enforce_model_rate_limits]}
)");
    EXPECT_FALSE(target(loaded, "a")->limits[0].advisory);
}

TEST(LiteLLMFile, ReadsEveryParameterThatActs) {
    Loaded loaded = load_params(
        "model: openai/x, api_base: http://h/v1, api_key: k, organization: [o1, o2], timeout: "
        "12.5, "
        "stream_timeout: 5s, num_retries: 2, cooldown_time: 0, max_parallel_requests: 4, "
        "max_budget: 5, budget_duration: 30d, temperature: 0.2, seed: 7, "
        "response_format: {type: json_object}, extra_headers: {X-A: b, Host: evil}, "
        "extra_body: {x: [1]}, additional_drop_params: [logprobs], drop_params: true");
    ASSERT_EQ(loaded.catalog->targets.size(), 2u) << lines(loaded.diagnostics);
    const Target& a = *target(loaded, "a");
    EXPECT_EQ(a.timeout, base::Duration(12'500));
    EXPECT_EQ(a.stream_timeout, base::Duration(5'000));
    EXPECT_EQ(a.num_retries, 2);
    EXPECT_EQ(a.cooldown, base::Duration(0));
    EXPECT_EQ(a.max_parallel_requests, 4);
    EXPECT_EQ(a.limits[0].metric, "usd");
    EXPECT_EQ(a.limits[0].window, "30d");
    EXPECT_EQ(default_of(a, "temperature"), "0.2");
    EXPECT_EQ(default_of(a, "seed"), "7");
    EXPECT_EQ(default_of(a, "response_format"), "{\"type\":\"json_object\"}");
    EXPECT_EQ(a.overrides, (std::vector<std::pair<std::string, std::string>>{{"x", "[1]"}}));
    EXPECT_EQ(a.drop, std::vector<std::string>{"logprobs"});
    ASSERT_EQ(a.headers.size(), 2u);
    EXPECT_EQ(a.headers[1].second, "o1");
    EXPECT_EQ(target(loaded, "a#2")->headers[1].second, "o2");
    EXPECT_TRUE(about(loaded.diagnostics, "header `Host`"));
}

TEST(LiteLLMFile, RefusesWrongTypes) {
    Loaded loaded = load_params(
        "model: groq/x, api_key: k, timeout: soon, num_retries: [1], rpm: many, weight: -1");
    for (std::string_view key : {"timeout", "num_retries", "rpm", "weight"}) {
        const Diagnostic* one = about(loaded.diagnostics, "`" + std::string(key) + "` must be");
        ASSERT_TRUE(one) << key;
        EXPECT_EQ(one->severity, Severity::error);
        EXPECT_EQ(one->line, 3);
    }
}

TEST(LiteLLMFile, RefusesWhatOllamaWouldRefuse) {
    const std::string model = "model: ollama_chat/x, ";
    for (const auto& [params, text] : std::vector<std::pair<std::string, std::string>>{
             {"num_ctx: many", "`num_ctx` must be a whole number from 1 to"},
             {"num_ctx: 0", "`num_ctx` must be a whole number from 1 to"},
             {"num_gpu: -5", "`num_gpu` must be a whole number from -1 to"},
             {"keep_alive: banana", "`keep_alive` must be a time such as 5m"},
             {"keep_alive: '300'", "`keep_alive` must be a time such as 5m"},
             {"keep_alive: [5m]", "`keep_alive` must be a time such as 5m"}}) {
        const Loaded loaded = load_params(model + params);
        ASSERT_EQ(loaded.diagnostics.size(), 1u) << params << "\n" << lines(loaded.diagnostics);
        EXPECT_TRUE(loaded.diagnostics[0].text.contains(text)) << loaded.diagnostics[0].text;
        EXPECT_EQ(loaded.diagnostics[0].line, 3);
        ASSERT_TRUE(target(loaded, "a"));
        EXPECT_TRUE(target(loaded, "a")->defaults.empty()) << params;
    }
    for (const std::string params :
         {"num_ctx: 4096", "num_gpu: -1", "keep_alive: 5m", "keep_alive: -1", "keep_alive: 300",
          "keep_alive: '-1m'", "keep_alive: 1h30m", "keep_alive: 0"}) {
        const Loaded loaded = load_params(model + params);
        EXPECT_TRUE(loaded.diagnostics.empty()) << params << "\n" << lines(loaded.diagnostics);
        EXPECT_EQ(target(loaded, "a")->defaults.size(), 1u) << params;
    }
    EXPECT_TRUE(load_params("model: openai/x, api_base: 'http://h:1/v1', keep_alive: x").ok());
}

TEST(LiteLLMFile, ReadsModelInfo) {
    Loaded loaded = load_params(
        "model: groq/x, api_key: k", {},
        "{max_input_tokens: 8192, max_tokens: 100, input_cost_per_token: 1e-06, tier: paid, "
        "input_cost_per_second: 0.0001, input_cost_per_character: 0.00002, "
        "cache_read_input_token_cost: 3e-07, cache_creation_input_token_cost: 4e-06, "
        "mode: chat, id: abc, my_note: x, device: cuda, memory_gb: 5.5, embedding_space: s}");
    const Target& a = *target(loaded, "a");
    EXPECT_EQ(a.max_input_tokens, 8192u);
    EXPECT_EQ(a.max_output_tokens, 100u);
    EXPECT_EQ(a.prices.input_cost_per_token, 1e-06);
    EXPECT_EQ(a.prices.input_cost_per_second, 0.0001);
    EXPECT_EQ(a.prices.input_cost_per_character, 0.00002);
    EXPECT_EQ(a.prices.cache_read_input_token_cost, 3e-07);
    EXPECT_EQ(a.prices.cache_creation_input_token_cost, 4e-06);
    EXPECT_EQ(a.tier, Tier::paid);
    EXPECT_TRUE(a.tier_stated);
    EXPECT_EQ(a.device, "cuda");
    EXPECT_EQ(a.memory_gb, 5.5);
    EXPECT_EQ(a.embedding_space, "s");
    EXPECT_TRUE(loaded.diagnostics.empty())
        << "free keys are legal here: " << lines(loaded.diagnostics);
}

TEST(LiteLLMFile, RefusesNothingForASupportFlagThatIsAbsent) {
    Loaded loaded = load_params("model: groq/x, api_key: k", {}, "{supports_vision: false}");
    const Capabilities& has = target(loaded, "a")->capabilities;
    EXPECT_TRUE(has.audio_input && has.documents) << "what no flag denies";
    EXPECT_TRUE(has.stated);
    EXPECT_FALSE(has.vision);
    EXPECT_TRUE(has.tools);
    EXPECT_TRUE(has.streaming);
    EXPECT_FALSE(has.agent);
}

TEST(LiteLLMFile, MatchesWildcards) {
    Loaded loaded = load_text(R"(model_list:
  - {model_name: "openai/*", litellm_params: {model: openai/*, api_key: k}}
  - {model_name: "*", litellm_params: {model: groq/*, api_key: k}}
  - {model_name: openai/exact, litellm_params: {model: openai/e, api_key: k}}
)");
    std::string captured;
    EXPECT_EQ(loaded.catalog->find("openai/exact")->name, "openai/exact");
    EXPECT_EQ(loaded.catalog->find("openai/gpt-4o", &captured)->name, "openai/*");
    EXPECT_EQ(captured, "gpt-4o");
    EXPECT_EQ(loaded.catalog->find("anything", &captured)->name, "*");
    EXPECT_EQ(captured, "anything");
    EXPECT_EQ(target(loaded, "openai/*")->model, "*");
}

TEST(LiteLLMFile, GivesAliasesSecondNames) {
    Loaded loaded = load_text(R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: k}}
  - {model_name: b, litellm_params: {model: groq/b, api_key: k}}
router_settings:
  model_group_alias: {gpt-4: a, secret: {model: b, hidden: true}, lost: nobody}
  fallbacks: [{a: [b]}]
)");
    EXPECT_EQ(loaded.catalog->find("gpt-4")->targets, loaded.catalog->find("a")->targets);
    EXPECT_EQ(loaded.catalog->find("gpt-4")->chain, std::vector<std::string>{"b"});
    EXPECT_FALSE(loaded.catalog->find("gpt-4")->hidden);
    EXPECT_TRUE(loaded.catalog->find("secret")->hidden);
    EXPECT_TRUE(about(loaded.diagnostics, "`lost` names `nobody`"));
}

TEST(LiteLLMFile, ReadsIncludesAndTheirLines) {
    TestFiles files;
    files.write("models.yaml",
                "model_list:\n  - model_name: b\n    litellm_params: {model: nobody/b}\n"
                "  - {model_name: c, litellm_params: {model: groq/c, api_key: k}}\n");
    std::string path =
        files.write("config.yaml",
                    "include: [models.yaml]\nmodel_list:\n"
                    "  - {model_name: a, litellm_params: {model: groq/a, api_key: k}}\n");
    Loaded loaded = load(path, Environment::of({}), Scope::serving);
    EXPECT_TRUE(loaded.catalog->find("a"));
    EXPECT_TRUE(loaded.catalog->find("c"));
    EXPECT_EQ(loaded.catalog->sources.size(), 2u);
    ASSERT_EQ(loaded.diagnostics.size(), 1u);
    EXPECT_TRUE(loaded.diagnostics[0].file.ends_with("models.yaml"));
    EXPECT_EQ(loaded.diagnostics[0].line, 3);
}

TEST(LiteLLMFile, EndsAnIncludeThatIncludesItself) {
    TestFiles files;
    std::string path = files.write("config.yaml", "include: [config.yaml]\nmodel_list: []\n");
    EXPECT_TRUE(about(load(path, Environment::of({}), Scope::serving).diagnostics, "include"));
}

TEST(LiteLLMFile, UsesItsOwnVariablesAndCredentials) {
    Loaded loaded = load_text(R"(environment_variables: {FW_T_KEY: "from-file"}
credential_list:
  - credential_name: mine
    credential_values: {api_key: os.environ/FW_T_KEY, api_base: http://h/v1}
model_list:
  - {model_name: a, litellm_params: {model: openai/a, litellm_credential_name: mine}}
  - {model_name: b, litellm_params: {model: groq/b, api_key: k, litellm_credential_name: other}}
)");
    EXPECT_EQ(target(loaded, "a")->key.reveal(), "from-file");
    EXPECT_EQ(target(loaded, "a")->key_name, "FW_T_KEY");
    EXPECT_EQ(target(loaded, "a")->base.text(), "http://h/v1");
    EXPECT_TRUE(about(loaded.diagnostics, "credential_list has no `other`"));
}

TEST(LiteLLMFile, SaysWhereItIsBroken) {
    Loaded loaded = load_text("model_list:\n  - {model_name: a\n  - x\n");
    EXPECT_FALSE(loaded.catalog);
    ASSERT_EQ(loaded.diagnostics.size(), 1u);
    EXPECT_GE(loaded.diagnostics[0].line, 2);
    EXPECT_FALSE(load_text("- a\n").catalog);
    Loaded missing = load("/nonexistent/config.yaml", Environment::of({}), Scope::serving);
    EXPECT_FALSE(missing.catalog);
    EXPECT_FALSE(missing.ok());
}

TEST(LiteLLMFile, SurvivesAnyShapeOfYaml) {
    for (const char* text :
         {"", "x", "[]", "model_list: x", "model_list: [1, null, [], {}]",
          "model_list: [{model_name: [a], litellm_params: {model: {}}}]",
          "model_list: [{model_name: a, litellm_params: {model: groq/x, api_key: [k]}}]",
          "model_list: [{model_name: a, litellm_params: {model: [x], api_key: k}, model_info: 3}]",
          "router_settings: [1]\nlitellm_settings: x\ngeneral_settings: {master_key: [x]}",
          "router_settings: {fallbacks: [x, {a: b}, {a: [[x]]}], model_group_alias: {a: []}}",
          "include: {a: b}", "credential_list: {}", "environment_variables: [x]",
          "model_list: [{model_name: a, litellm_params: {model: groq/x, api_key: k, "
          "extra_headers: x, extra_body: [], organization: {}}, model_info: {limits: {}, "
          "capabilities: {}, engine: [], tier: []}}]"}) {
        load_text(text);
    }
}

}  // namespace
}  // namespace config
