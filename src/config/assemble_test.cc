#include "config/test_files.h"
#include "config/value.h"

#include <gtest/gtest.h>

namespace config {
namespace {

/// Everything of a target that serving depends on, as text.
std::string describe(const Target& target) {
    std::string text =
        target.id + "|" + std::string(base::name(target.provider)) + "|" + target.model + "|" +
        target.base.text() + "|" + std::string(target.key.reveal()) + "|" + target.key_name + "|" +
        target.account + "|" + std::string(name(target.tier)) + (target.tier_stated ? "!" : "?") +
        "|" + std::string(name(target.mode)) + "|" + target.device + "|" +
        std::to_string(target.memory_gb) + "|" + target.embedding_space + "|" + target.note + "|" +
        std::to_string(target.weight) + "|" + std::to_string(target.order) + "|" +
        std::to_string(target.max_input_tokens.value_or(0)) + "|" +
        std::to_string(target.max_output_tokens.value_or(0)) + "|" +
        std::to_string(target.prices.input_cost_per_token * 1e9) + "|" +
        std::to_string(target.timeout.value_or(base::Duration(-1)).count()) + "|" +
        std::to_string(target.stream_timeout.value_or(base::Duration(-1)).count());
    const Capabilities& has = target.capabilities;
    for (bool flag : {has.stated, has.streaming, has.tools, has.vision, has.reasoning,
                      has.json_schema, has.diarization, has.agent}) {
        text += flag ? '1' : '0';
    }
    for (const Limit& limit : target.limits) {
        text += "|" + limit.metric + limit.window + std::to_string(limit.limit.value_or(-1)) +
                limit.reset + limit.scope + limit.pool + limit.time_zone +
                (limit.advisory ? "~" : "");
    }
    for (const auto* list : {&target.defaults, &target.overrides, &target.headers}) {
        for (const auto& [key, value] : *list) text += "|" + key + "=" + value;
    }
    if (target.engine) {
        for (const std::string& word : target.engine->command) text += " " + word;
    }
    return text;
}

void expect_equal(const Loaded& a, const Loaded& b) {
    ASSERT_TRUE(a.catalog) << lines(a.diagnostics);
    ASSERT_TRUE(b.catalog) << lines(b.diagnostics);
    ASSERT_EQ(a.catalog->targets.size(), b.catalog->targets.size()) << lines(b.diagnostics);
    for (std::size_t i = 0; i < a.catalog->targets.size(); ++i) {
        EXPECT_EQ(describe(a.catalog->targets[i]), describe(b.catalog->targets[i]));
    }
    ASSERT_EQ(a.catalog->aliases.size(), b.catalog->aliases.size());
    for (std::size_t i = 0; i < a.catalog->aliases.size(); ++i) {
        EXPECT_EQ(a.catalog->aliases[i].name, b.catalog->aliases[i].name);
        EXPECT_EQ(a.catalog->aliases[i].targets, b.catalog->aliases[i].targets);
        EXPECT_EQ(a.catalog->aliases[i].chain, b.catalog->aliases[i].chain);
    }
    EXPECT_EQ(a.catalog->settings.total, b.catalog->settings.total);
    EXPECT_EQ(a.catalog->settings.num_retries, b.catalog->settings.num_retries);
    EXPECT_EQ(a.catalog->settings.master_key.reveal(), b.catalog->settings.master_key.reveal());
    EXPECT_EQ(a.catalog->settings.default_fallbacks, b.catalog->settings.default_fallbacks);
}

void write_folder(const TestFiles& files) {
    files.write("providers/groq.yaml",
                "provider: groq\nflag: GROQ\ntier: free\nkey: GROQ_API_KEY\n"
                "limits: [{metric: requests, window: day, limit: 9}]\nmodels:\n"
                "  - model_name: groq-a\n    litellm_params: {model: groq/a, temperature: 0.5}\n"
                "    model_info:\n      mode: chat\n      capabilities: [streaming]\n"
                "      limits: [{metric: tokens, window: 5h, limit: 10, reset: first_use, scope: "
                "pool, pool: p}]\n"
                "      note: \"a: b # c\"\n");
    files.write("providers/openai.yaml",
                "flag: OPENAI\ntier: paid\nkey: OPENAI_API_KEY\nmodels:\n"
                "  - {model_name: gpt, litellm_params: {model: openai/gpt}}\n");
    files.write("providers/ollama.yaml",
                "flag: OLLAMA\ntier: local\napi_base: http://ollama:11434\nmodels:\n"
                "  - model_name: local-ollama-cpu-x\n"
                "    litellm_params: {model: ollama_chat/x, num_ctx: 8192, extra_body: {options: "
                "{num_gpu: 0}}}\n"
                "    model_info: {memory_gb: 2.5, max_input_tokens: 8192}\n");
    files.write(
        "providers/llamacpp.yaml",
        "flag: LLAMACPP\ntier: local\nmodels:\n"
        "  - model_name: tiny\n    litellm_params: {model: openai/tiny, api_key: unused}\n"
        "    model_info: {engine: {command: [llama-server, --ctx-size, \"512\"], ttl: 10m}}\n"
        "  - model_name: custom\n    litellm_params: {model: openai/c}\n"
        "    model_info: {requires: FW_T_UNSET, engine: {command: [llama-server]}}\n");
    files.write("providers/mistral.yaml",
                "flag: MISTRAL\nmodels:\n"
                "  - {model_name: m, litellm_params: {model: mistral/m}}\n");
    files.write("fallbacks.json",
                "{\"groq-a\": [\"m\", \"gpt\", \"local-ollama-cpu-x\"], \"gpt\": [\"m\"],"
                " \"m\": [\"gpt\"]}");
    files.write("base.yaml",
                "general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}\n"
                "router_settings: {timeout: 90, num_retries: 1, default_fallbacks: [tiny, m]}\n");
}

const Environment kEnv = Environment::of({{"GROQ", "1"},
                                          {"GROQ_API_KEY", "gk"},
                                          {"OPENAI", "1"},
                                          {"OPENAI_API_KEY", "ok"},
                                          {"OLLAMA", "1"},
                                          {"LLAMACPP", "1"},
                                          {"LITELLM_MASTER_KEY", "mk"},
                                          {"OPENAI_API_BASE", "http://127.0.0.1:9/v1"}});

TEST(Assemble, ServesTheSameAsTheFolder) {
    TestFiles files;
    write_folder(files);
    auto text = assemble(files.root(), kEnv);
    ASSERT_TRUE(text) << text.error().detail;
    Loaded folder = load(files.root(), kEnv, Scope::serving);
    Loaded file = load(files.write("out/config.yaml", *text), kEnv, Scope::serving);
    EXPECT_EQ(folder.catalog->targets.size(), 4u);
    expect_equal(folder, file);
    EXPECT_TRUE(file.diagnostics.empty()) << lines(file.diagnostics);
    EXPECT_EQ(target(file, "gpt")->provider, base::Provider::openai);
}

TEST(Assemble, IsTheSameEachTimeAndSaysThatItIsGenerated) {
    TestFiles files;
    write_folder(files);
    std::string text = *assemble(files.root(), kEnv);
    EXPECT_EQ(text, *assemble(files.root(), kEnv));
    EXPECT_TRUE(text.starts_with("# Generated by `freeway build`"));
}

TEST(Assemble, HoldsNoKeyAndNothingThatIsOff) {
    TestFiles files;
    write_folder(files);
    std::string text = *assemble(files.root(), kEnv);
    for (std::string_view secret : {"gk", "ok\n", ": mk", "mistral/m", "custom"}) {
        EXPECT_FALSE(text.contains(secret)) << secret;
    }
    EXPECT_TRUE(text.contains("os.environ/GROQ_API_KEY"));
    EXPECT_TRUE(text.contains("api_base: http://127.0.0.1:9/v1"));
}

TEST(Assemble, SaysWhatIsBroken) {
    TestFiles files;
    files.write("providers/groq.yaml", "models: [\n");
    auto text = assemble(files.root(), kEnv);
    ASSERT_FALSE(text);
    EXPECT_TRUE(text.error().detail.contains("groq.yaml"));
    EXPECT_FALSE(assemble("/nonexistent", kEnv));
}

}  // namespace
}  // namespace config
