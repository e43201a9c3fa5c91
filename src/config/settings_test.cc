#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

Loaded load_text(std::string_view text, std::map<std::string, std::string> env = {}) {
    TestFiles files;
    return load(files.write("config.yaml", text), Environment::of(std::move(env)), Scope::serving);
}

TEST(Settings, HaveDefaults) {
    Settings settings = load_text("model_list: []\n").catalog->settings;
    EXPECT_EQ(settings.total, base::Duration(600'000));
    EXPECT_EQ(settings.num_retries, 0);
    EXPECT_TRUE(settings.cooldowns);
    EXPECT_TRUE(settings.master_key.empty());
}

TEST(Settings, TakeDeadlinesFromTheRouter) {
    Settings settings = load_text(
                            "router_settings: {timeout: 20, stream_timeout: 3, cooldown_time: 90, "
                            "disable_cooldowns: true, num_retries: 2}\n"
                            "litellm_settings: {request_timeout: 7, num_retries: 9}\n"
                            "general_settings: {max_request_size_mb: 2, max_upload_size_mb: 3}\n")
                            .catalog->settings;
    EXPECT_EQ(settings.total, base::Duration(20'000));
    EXPECT_EQ(settings.attempt, base::Duration(7'000));
    EXPECT_EQ(settings.first_content, base::Duration(3'000));
    EXPECT_EQ(settings.between_chunks, base::Duration(3'000));
    EXPECT_EQ(settings.cooldown, base::Duration(90'000));
    EXPECT_FALSE(settings.cooldowns);
    EXPECT_EQ(settings.num_retries, 2);
    EXPECT_EQ(settings.max_body_bytes, 2u << 20);
    EXPECT_EQ(settings.max_upload_bytes, 3u << 20);
}

TEST(Settings, TakeRouterKeysFromLitellmSettingsToo) {
    Loaded loaded = load_text(
        "litellm_settings: {request_timeout: 7, num_retries: 3, cooldown_time: 5, "
        "default_fallbacks: []}\n");
    EXPECT_EQ(loaded.catalog->settings.total, base::Duration(7'000));
    EXPECT_EQ(loaded.catalog->settings.num_retries, 3);
    EXPECT_EQ(loaded.catalog->settings.cooldown, base::Duration(5'000));
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(Settings, HoldAnswersAgainstTheirSchemaUnlessToldNotTo) {
    EXPECT_TRUE(load_text("model_list: []\n").catalog->settings.validate_json_schema);
    for (std::string_view off : {"litellm_settings: {enable_json_schema_validation: false}\n",
                                 "litellm_settings: {validate_json_schema: false}\n",
                                 "router_settings: {validate_json_schema: false}\n"}) {
        Loaded loaded = load_text(off);
        EXPECT_FALSE(loaded.catalog->settings.validate_json_schema) << off;
        EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
    }
}

TEST(Settings, TakeOurMasterKeyFirst) {
    std::string_view text = "general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}\n";
    EXPECT_EQ(
        load_text(text, {{"LITELLM_MASTER_KEY", "theirs"}}).catalog->settings.master_key.reveal(),
        "theirs");
    EXPECT_EQ(load_text(text, {{"LITELLM_MASTER_KEY", "theirs"}, {"FREEWAY_MASTER_KEY", "ours"}})
                  .catalog->settings.master_key.reveal(),
              "ours");
    EXPECT_TRUE(load_text("model_list: []\n", {{"LITELLM_MASTER_KEY", "theirs"}})
                    .catalog->settings.master_key.empty());
    Loaded unset = load_text(text);
    EXPECT_TRUE(unset.catalog->settings.master_key.empty());
    EXPECT_FALSE(unset.ok());
    EXPECT_EQ(load_text("general_settings: {master_key: sk-literal}\n")
                  .catalog->settings.master_key.reveal(),
              "sk-literal");
}

TEST(Settings, NameTheRightPlaceOfAMisplacedKey) {
    Loaded loaded = load_text(
        "general_settings:\n  cache: true\n  drop_params: true\n  fallbacks: []\n"
        "  timeout: 3\nrouter_settings:\n  master_key: x\n  request_timeout: 5\n"
        "litellm_settings:\n  model_list: []\nmaster_key: y\n");
    auto belongs = [&](std::string_view key) {
        const Diagnostic* one = about(loaded.diagnostics, "`" + std::string(key) + "` under");
        return one ? one->text.substr(one->text.find("belongs")) : "none";
    };
    EXPECT_EQ(belongs("cache"), "belongs under litellm_settings");
    EXPECT_EQ(belongs("drop_params"), "belongs under litellm_settings");
    EXPECT_EQ(belongs("fallbacks"), "belongs under router_settings");
    EXPECT_EQ(belongs("timeout"), "belongs under router_settings");
    EXPECT_EQ(belongs("master_key"), "belongs under general_settings");
    EXPECT_EQ(belongs("request_timeout"), "belongs under litellm_settings");
    EXPECT_EQ(belongs("model_list"), "belongs at the top level of the file");
    EXPECT_TRUE(loaded.catalog->settings.master_key.empty());
    EXPECT_EQ(loaded.catalog->settings.total, base::Duration(600'000))
        << "a misplaced key must not act";
    EXPECT_TRUE(loaded.ok());
}

TEST(Settings, NameTheRightPlaceOfAMisplacedKeyOfAModel) {
    const TestFiles files;
    files.write("providers/own.yaml",
                "flag: OWN\nmodels:\n  - model_name: a\n    slots: 2\n"
                "    litellm_params:\n      model: ollama_chat/a\n      api_base: http://h:1\n"
                "      engine: {command: [x]}\n      memory_gb: 4\n      device: cuda\n"
                "    model_info:\n      num_ctx: 5\n      timeout: 5\n");
    const Loaded loaded = load(files.root(), Environment::of({{"OWN", "1"}}), Scope::all);
    EXPECT_EQ(loaded.diagnostics.size(), 6u) << lines(loaded.diagnostics);
    for (const auto& [text, line] : std::vector<std::pair<std::string, int>>{
             {"`slots` under a model_list entry is not read: it belongs under model_info", 4},
             {"`engine` under litellm_params is not read: it belongs under model_info", 8},
             {"`memory_gb` under litellm_params is not read: it belongs under model_info", 9},
             {"`device` under litellm_params is not read: it belongs under model_info", 10},
             {"`num_ctx` under model_info is not read: it belongs under litellm_params", 12},
             {"`timeout` under model_info is not read: it belongs under litellm_params", 13}}) {
        const Diagnostic* found = about(loaded.diagnostics, text);
        ASSERT_TRUE(found) << text << "\n" << lines(loaded.diagnostics);
        EXPECT_EQ(found->line, line) << text;
    }
}

TEST(Settings, CacheActsUnderLitellmSettingsOnly) {
    const Loaded none = load_text("model_list: []\n");
    EXPECT_FALSE(none.catalog->settings.cache.on);
    const Loaded loaded = load_text(
        "litellm_settings:\n  cache: true\n  cache_params:\n    type: redis\n    host: x\n"
        "    ttl: 90\n    namespace: team\n    mode: default_off\n    max_size_mb: 8\n"
        "    supported_call_types: [acompletion]\n");
    const CacheSettings& cache = loaded.catalog->settings.cache;
    EXPECT_TRUE(cache.on);
    EXPECT_TRUE(cache.by_request);
    EXPECT_TRUE(cache.on_disk);
    EXPECT_EQ(cache.ttl, base::Duration(90'000));
    EXPECT_EQ(cache.space, "team");
    EXPECT_EQ(cache.max_bytes, 8u << 20);
    EXPECT_EQ(cache.call_types, std::vector<std::string>{"acompletion"});
    ASSERT_TRUE(about(loaded.diagnostics, "cache type `redis`"));
    EXPECT_EQ(about(loaded.diagnostics, "cache type `redis`")->line, 4);
    ASSERT_TRUE(about(loaded.diagnostics, "`host` under cache_params has no effect"));
    EXPECT_EQ(about(loaded.diagnostics, "`host` under cache_params")->line, 5);
    EXPECT_EQ(loaded.diagnostics.size(), 2u) << lines(loaded.diagnostics);
    EXPECT_FALSE(load_text("litellm_settings: {cache: true, cache_params: {type: local}}\n")
                     .catalog->settings.cache.on_disk);
    EXPECT_FALSE(load_text("litellm_settings: {cache_params: {ttl: 0}}\n").ok());
    EXPECT_FALSE(load_text("litellm_settings: {cache_params: {mode: sometimes}}\n").ok());
}

TEST(Settings, AnAliasChoosesTheCacheForItself) {
    const Loaded loaded = load_text(R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: k}, model_info: {cache: true}}
  - {model_name: b, litellm_params: {model: groq/b, api_key: k}, model_info: {cache: {ttl: 10m}}}
  - {model_name: c, litellm_params: {model: groq/c, api_key: k}, model_info: {cache: false}}
  - {model_name: d, litellm_params: {model: groq/d, api_key: k}}
)");
    EXPECT_TRUE(target(loaded, "a")->cache->on);
    EXPECT_FALSE(target(loaded, "a")->cache->ttl);
    EXPECT_EQ(target(loaded, "b")->cache->ttl, base::Duration(600'000));
    EXPECT_FALSE(target(loaded, "c")->cache->on);
    EXPECT_FALSE(target(loaded, "d")->cache);
    EXPECT_TRUE(loaded.diagnostics.empty()) << lines(loaded.diagnostics);
}

TEST(Settings, ReportWhatIsAcceptedWithoutEffectOnce) {
    Loaded loaded = load_text(
        "guardrails: [x]\nlitellm_settings:\n  callbacks: [prometheus, my.handler]\n"
        "  success_callback: [langfuse]\n"
        "general_settings: {database_url: x, custom_auth: my.auth}\n"
        "router_settings: {retry_after: 5, fallback: []}\nmodle_list: []\n");
    for (std::string_view part :
         {"`guardrails`", "`prometheus` has no effect", "`my.handler` has no effect: it is Python",
          "`langfuse`", "`database_url`", "`custom_auth` is Python", "`retry_after`",
          "did you mean `fallbacks`", "did you mean `model_list`"}) {
        auto count = std::ranges::count_if(
            loaded.diagnostics, [&](const Diagnostic& one) { return one.text.contains(part); });
        EXPECT_EQ(count, 1) << part << "\n" << lines(loaded.diagnostics);
    }
    EXPECT_TRUE(loaded.ok());
}

constexpr std::string_view kThree = R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: k}}
  - {model_name: b, litellm_params: {model: mistral/b, api_key: k}}
  - {model_name: x/c, litellm_params: {model: cohere/c, api_key: k}}
  - {model_name: off, litellm_params: {model: openai/c, api_key: os.environ/FW_T_KEY}}
)";

TEST(Settings, GiveTheDefaultChainToAliasesWithoutOne) {
    Loaded loaded =
        load_text(std::string(kThree) +
                  "router_settings:\n  default_fallbacks: [b, off]\n  fallbacks: [{a: []}]\n");
    EXPECT_EQ(loaded.catalog->settings.default_fallbacks, (std::vector<std::string>{"b", "off"}));
    EXPECT_TRUE(loaded.catalog->find("a")->chain.empty());
    EXPECT_EQ(loaded.catalog->find("b")->chain, std::vector<std::string>{"off"});
    EXPECT_EQ(loaded.catalog->find("x/c")->chain, (std::vector<std::string>{"b", "off"}));
}

TEST(Settings, TakeTheStarForTheDefaultChain) {
    Loaded loaded =
        load_text(std::string(kThree) + "litellm_settings:\n  fallbacks: [{\"*\": [b]}]\n");
    EXPECT_EQ(loaded.catalog->find("a")->chain, std::vector<std::string>{"b"});
}

TEST(Settings, FindAChainWithoutTheProviderPrefix) {
    Loaded loaded =
        load_text(std::string(kThree) + "router_settings:\n  fallbacks: [{c: [a, {model: b}]}]\n");
    EXPECT_EQ(loaded.catalog->find("x/c")->chain, (std::vector<std::string>{"a", "b"}));
}

TEST(Settings, KeepSpecialFallbacksApart) {
    Loaded loaded =
        load_text(std::string(kThree) +
                  "router_settings:\n  context_window_fallbacks: [{a: [b, nobody, off]}]\n"
                  "  content_policy_fallbacks: [{b: [a]}]\n");
    const Settings& settings = loaded.catalog->settings;
    EXPECT_EQ(settings.context_window_fallbacks.find("a")->second,
              (std::vector<std::string>{"b", "off"}));
    EXPECT_EQ(settings.content_policy_fallbacks.find("b")->second, std::vector<std::string>{"a"});
    const Diagnostic* unknown = about(loaded.diagnostics, "names `nobody`");
    ASSERT_TRUE(unknown);
    EXPECT_EQ(unknown->severity, Severity::error);
    EXPECT_EQ(unknown->line, 7);
}

}  // namespace
}  // namespace config
