#include "config/load.h"
#include "config/test_files.h"

#include <gtest/gtest.h>

namespace config {
namespace {

/// A catalog written down in a few words.
class Table {
public:
    Target& add(std::string name, Tier tier, std::string account, Mode mode = Mode::chat) {
        Target target;
        target.id = target.alias = name;
        target.tier = tier;
        target.tier_stated = true;
        target.account = std::move(account);
        target.mode = mode;
        target.origin = "providers/x.yaml:7";
        target.capabilities.stated = true;
        Alias alias;
        alias.name = std::move(name);
        alias.mode = mode;
        alias.targets = {catalog_.targets.size()};
        catalog_.targets.push_back(std::move(target));
        catalog_.aliases.push_back(std::move(alias));
        return catalog_.targets.back();
    }

    void chain(std::string_view name, std::vector<std::string> members) {
        for (Alias& alias : catalog_.aliases) {
            if (alias.name != name) continue;
            alias.chain_file = "fallbacks.json";
            alias.chain_line = 3;
            for (std::size_t i = 0; i < members.size(); ++i) {
                alias.member_lines.push_back(4 + static_cast<int>(i));
            }
            alias.chain = std::move(members);
        }
    }

    /// Findings about the chain of `name` only.
    std::vector<Diagnostic> check(std::string_view name) {
        catalog_.index();
        std::vector<Diagnostic> found = check_chains(catalog_, "fallbacks.json");
        std::erase_if(found, [&](const Diagnostic& one) {
            return !one.text.contains("`" + std::string(name) + "`:") &&
                   !one.text.starts_with("`" + std::string(name) + "` has no chain");
        });
        return found;
    }

private:
    Catalog catalog_;
};

void expect_one(const std::vector<Diagnostic>& found, Severity severity, int line,
                std::string_view part) {
    ASSERT_EQ(found.size(), 1u) << lines(found);
    EXPECT_EQ(found[0].severity, severity);
    EXPECT_EQ(found[0].line, line);
    EXPECT_TRUE(found[0].text.contains(part)) << found[0].text;
}

Table two_accounts(Mode mode = Mode::chat) {
    Table table;
    table.add("a", Tier::free, "groq:K", mode);
    table.add("b", Tier::free, "mistral:K", mode);
    return table;
}

TEST(Chains, AreFineWhenTheyCrossAccountsFreeFirst) {
    Table table = two_accounts();
    table.add("p", Tier::paid, "openai:K");
    table.add("l", Tier::local, "ollama:h:1");
    table.chain("a", {"b", "p", "l"});
    EXPECT_TRUE(table.check("a").empty()) << lines(table.check("a"));
}

TEST(Chains, MayNotNameAnUnknownMember) {
    Table table = two_accounts();
    table.chain("a", {"b", "nobody"});
    expect_one(table.check("a"), Severity::error, 5, "`nobody` is no alias");
}

TEST(Chains, MayNotNameThemselves) {
    Table table = two_accounts();
    table.chain("a", {"a", "b"});
    expect_one(table.check("a"), Severity::error, 4, "names itself");
}

TEST(Chains, KeepToOneMode) {
    Table table = two_accounts();
    table.add("e", Tier::free, "cohere:K", Mode::embedding);
    table.chain("a", {"b", "e"});
    expect_one(table.check("a"), Severity::error, 5, "mode embedding");
}

TEST(Chains, KeepToOneEmbeddingSpace) {
    Table table;
    table.add("a", Tier::free, "x", Mode::embedding).embedding_space = "bge-m3";
    table.add("b", Tier::free, "y", Mode::embedding).embedding_space = "nomic";
    table.chain("a", {"b"});
    expect_one(table.check("a"), Severity::error, 4, "bge-m3");
}

TEST(Chains, WithoutAStatedSpaceKeepToOneModel) {
    Table table;
    table.add("a", Tier::free, "x", Mode::embedding).model = "BAAI/bge-m3";
    table.add("b", Tier::free, "y", Mode::embedding).model = "bge-m3:latest";
    table.add("c", Tier::free, "z", Mode::embedding).model = "nomic-embed-text";
    table.chain("a", {"b", "c"});
    expect_one(table.check("a"), Severity::warning, 5, "state the embedding_space");
}

TEST(Chains, WarnOfADuplicate) {
    Table table = two_accounts();
    table.chain("a", {"b", "b"});
    expect_one(table.check("a"), Severity::warning, 5, "stands twice");
}

TEST(Chains, WarnWhenVisionIsLost) {
    Table table;
    table.add("a", Tier::free, "x").capabilities.vision = true;
    table.add("b", Tier::free, "y");
    table.chain("a", {"b"});
    expect_one(table.check("a"), Severity::warning, 4, "no images");
}

TEST(Chains, SayNothingOfVisionThatIsNotStated) {
    Table table;
    table.add("a", Tier::free, "x").capabilities.vision = true;
    table.add("b", Tier::free, "y").capabilities.stated = false;
    table.chain("a", {"b"});
    EXPECT_TRUE(table.check("a").empty());
}

TEST(Chains, WarnWhenAPlainModelFallsBackToAnAgent) {
    Table table = two_accounts();
    table.add("agent", Tier::flat, "z").capabilities.agent = true;
    table.chain("a", {"b", "agent"});
    expect_one(table.check("a"), Severity::warning, 5, "side effects");
    table.chain("agent", {"a"});
    EXPECT_TRUE(table.check("agent").empty());
}

TEST(Chains, WarnWhenDiarizationIsLost) {
    Table table;
    table.add("a", Tier::free, "x", Mode::audio_transcription).capabilities.diarization = true;
    table.add("b", Tier::free, "y", Mode::audio_transcription);
    table.chain("a", {"b"});
    expect_one(table.check("a"), Severity::warning, 4, "diarization");
}

TEST(Chains, WarnOfPaidBeforeFreeOrFlat) {
    for (Tier better : {Tier::free, Tier::flat}) {
        Table table;
        table.add("a", Tier::free, "x");
        table.add("p", Tier::paid, "y");
        table.add("b", better, "z");
        table.chain("a", {"p", "b"});
        expect_one(table.check("a"), Severity::warning, 4, "paid before");
    }
}

TEST(Chains, WarnOfCohereBeforeAnotherFreeMember) {
    Table table = two_accounts();
    Target& cohere = table.add("c", Tier::free, "cohere:K");
    cohere.provider = base::Provider::cohere;
    table.chain("a", {"c", "b"});
    expect_one(table.check("a"), Severity::warning, 4, "1,000 calls");
}

TEST(Chains, WarnOfLocalBeforeTheCloudForChatOnly) {
    Table table = two_accounts();
    table.add("l", Tier::local, "z");
    table.chain("a", {"l", "b"});
    expect_one(table.check("a"), Severity::warning, 4, "last resort");
    table.add("m", Tier::local, "w");
    table.chain("m", {"l", "b"});
    EXPECT_TRUE(table.check("m").empty());
    Table speech = two_accounts(Mode::audio_speech);
    speech.add("l", Tier::local, "z", Mode::audio_speech);
    speech.chain("a", {"l", "b"});
    EXPECT_TRUE(speech.check("a").empty());
}

TEST(Chains, WarnOfPaidBeforeLocalForMedia) {
    for (Mode mode : {Mode::image_generation, Mode::audio_speech, Mode::audio_transcription}) {
        Table table;
        table.add("a", Tier::free, "x", mode);
        table.add("p", Tier::paid, "y", mode);
        table.add("l", Tier::local, "z", mode);
        table.chain("a", {"p", "l"});
        expect_one(table.check("a"), Severity::warning, 4, "paid before local");
    }
}

TEST(Chains, WarnOfOneAccountOnly) {
    Table table = two_accounts();
    table.add("a2", Tier::free, "groq:K");
    table.chain("a", {"a2"});
    expect_one(table.check("a"), Severity::warning, 4, "no member is on another account");
}

TEST(Chains, WarnOfAnEmptyOrMissingChain) {
    Table table = two_accounts();
    table.chain("a", {});
    expect_one(table.check("a"), Severity::warning, 3, "it is empty");
    std::vector<Diagnostic> found = table.check("b");
    expect_one(found, Severity::warning, 7, "has no chain");
    EXPECT_EQ(found[0].file, "providers/x.yaml");
}

TEST(Chains, SayNothingWhereNobodyCouldStandIn) {
    Table table;
    table.add("a", Tier::free, "groq:K");
    table.add("a2", Tier::free, "groq:K");
    table.add("e", Tier::free, "cohere:K", Mode::embedding).embedding_space = "x";
    table.add("f", Tier::free, "mistral:K", Mode::embedding).embedding_space = "y";
    for (std::string_view name : {"a", "e"}) EXPECT_TRUE(table.check(name).empty()) << name;
}

TEST(Chains, OfALiteLLMFileAreNotJudgedByTiers) {
    TestFiles files;
    std::string path = files.write("config.yaml", R"(model_list:
  - {model_name: a, litellm_params: {model: groq/a, api_key: k}}
  - {model_name: b, litellm_params: {model: openai/b, api_key: k}}
router_settings:
  fallbacks:
    - a: [b, nobody]
)");
    Loaded loaded = load(path, Environment::of({}), Scope::serving);
    ASSERT_EQ(loaded.diagnostics.size(), 1u) << lines(loaded.diagnostics);
    EXPECT_EQ(loaded.diagnostics[0].severity, Severity::error);
    EXPECT_EQ(loaded.diagnostics[0].line, 6);
    EXPECT_EQ(loaded.catalog->find("a")->chain, std::vector<std::string>{"b"});
}

TEST(Chains, OfAFolderAreJudgedByTheCheck) {
    TestFiles files;
    files.write("providers/groq.yaml",
                "flag: GROQ\ntier: free\nkey: GROQ_API_KEY\nmodels:\n"
                "  - {model_name: a, litellm_params: {model: groq/a}}\n");
    files.write("fallbacks.json", "{\n  \"a\": [\n    \"nobody\"\n  ],\n  \"ghost\": [\"a\"]\n}\n");
    Loaded loaded = load(files.root(), Environment::of({}), Scope::all);
    const Diagnostic* unknown = about(loaded.diagnostics, "`nobody` is no alias");
    ASSERT_TRUE(unknown) << lines(loaded.diagnostics);
    EXPECT_EQ(unknown->line, 3);
    EXPECT_TRUE(unknown->file.ends_with("fallbacks.json"));
    EXPECT_EQ(about(loaded.diagnostics, "no alias `ghost`")->line, 5);
}

}  // namespace
}  // namespace config
