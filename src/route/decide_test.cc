#include "route/decide.h"

#include "route/consequences.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

using namespace route;
using namespace std::chrono_literals;
using llm::Outcome;

namespace {

const base::Time kNow{1000h};

/// A catalog that a test builds alias by alias.
struct Book {
    config::Catalog catalog;
    Benches benches;
    std::unique_ptr<quota::Ledger> ledger = std::make_unique<quota::Ledger>();
    mutable std::vector<std::shared_ptr<const quota::Book>> books;

    /// Adds an alias with one target for each of `models`.
    config::Alias& alias(const std::string& name, std::vector<std::string> models = {"model"},
                         std::vector<std::string> chain = {}) {
        config::Alias alias;
        alias.name = name;
        alias.chain = std::move(chain);
        for (const std::string& model : models) {
            config::Target target;
            target.alias = name;
            target.id = alias.targets.empty()
                            ? name
                            : name + '#' + std::to_string(alias.targets.size() + 1);
            target.model = model;
            target.account = "account of " + target.id;
            alias.targets.push_back(catalog.targets.size());
            catalog.targets.push_back(std::move(target));
        }
        catalog.aliases.push_back(std::move(alias));
        catalog.index();
        return catalog.aliases.back();
    }
    config::Target& target(const std::string& id) {
        for (config::Target& target : catalog.targets)
            if (target.id == id) return target;
        throw std::out_of_range(id);
    }
    void bench(const std::string& id, base::Duration length = 1h) {
        llm::Failure failure;
        failure.outcome = Outcome::rate_limited;
        failure.scope = llm::Scope::target;
        failure.back_in = length;
        benches.failed(target(id), failure, {}, kNow);
    }
    /// Of the catalog as it is now; decisions point into it.
    State state() const {
        books.push_back(ledger->open(std::make_shared<config::Catalog>(catalog), now()));
        return {*books.back(), benches, now()};
    }
    State last() const { return {*books.back(), benches, now()}; }
    static base::Now now() { return {kNow, base::WallTime(1000h)}; }
    base::Result<Decision> decide(const Ask& ask, std::uint64_t seed = 1) const {
        return route::decide(state(), ask, seed);
    }
    Decision of(const std::string& model, std::uint64_t seed = 1) const {
        return *decide({.model = model}, seed);
    }
};

/// `a b-benched c`: the candidates in order, skipped ones with their reason.
std::string shown(const Decision& decision) {
    std::string text;
    for (const Candidate& candidate : decision.candidates) {
        text += (text.empty() ? "" : " ") + candidate.target->id;
        if (candidate.skip != Skip::none) text += '-' + std::string(name(candidate.skip));
    }
    return text;
}

}  // namespace

TEST(Decide, WalksTheAliasAndThenItsChain) {
    Book book;
    book.alias("a", {"m"}, {"b", "c"});
    book.alias("b", {"m"}, {"d"});
    book.alias("c");
    book.alias("d");
    const Decision decision = book.of("a");
    EXPECT_EQ(shown(decision), "a b c") << "the chain of a fallback is not walked";
    EXPECT_EQ(decision.alias->name, "a");
    EXPECT_EQ(decision.candidates[0].model, "m");
}

TEST(Decide, WhoseModelIsNotThereYetIsPassedOver) {
    Book book;
    book.alias("a", {"m", "n"}, {"b"});
    book.alias("b");
    base::Pull pull{.model = "m:8b", .service = "http://o", .targets = {"a", "a#2"}};
    pull.state = base::Pull::State::pulling;
    pull.done = 1;
    pull.total = 4;
    pull.rate = 0.5;
    pull.at = kNow;
    State state = book.state();
    state.pulls = std::make_shared<const base::Pulls>(std::vector{pull});
    const auto decision = decide(state, {.model = "a"}, 1);
    ASSERT_TRUE(decision);
    EXPECT_NE(shown(*decision).find("a-pulling"), std::string::npos) << shown(*decision);
    EXPECT_TRUE(shown(*decision).ends_with(" b")) << shown(*decision);
    EXPECT_EQ(decision->candidates[0].why, "pulling m:8b: 25 % of 4 bytes");
    EXPECT_EQ(decision->candidates[0].back_in, 6s);
}

namespace {

/// `a` falls back to `b`; of the model of `a` its service says `facts`.
std::string learnt(Book& book, const base::ModelFacts& facts, const Ask& ask) {
    State state = book.state();
    state.facts = std::make_shared<const base::FactTable>(base::FactTable{{"a", facts}});
    const auto decision = decide(state, ask, 1);
    const std::string& why = decision->candidates[0].why;
    return shown(*decision) + (why.empty() ? "" : ": " + why);
}

}  // namespace

TEST(Decide, WhatAServiceDoesNotListForItsModelIsNotAskedOfIt) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    const base::ModelFacts plain{.completion = true, .context = 100};
    EXPECT_EQ(learnt(book, plain, {.model = "a"}), "a b");
    EXPECT_EQ(learnt(book, plain, {.model = "a", .tools = true}),
              "a-capability b: the request needs tools, which its service does not list for the "
              "model");
    EXPECT_EQ(learnt(book, plain, {.model = "a", .tools = true, .vision = true}).substr(0, 14),
              "a-capability b");
    EXPECT_EQ(learnt(book, plain, {.model = "a", .documents = true}), "a b")
        << "it does not speak of documents";
    EXPECT_EQ(learnt(book, {.completion = true, .tools = true}, {.model = "a", .tools = true}),
              "a b");
    EXPECT_EQ(learnt(book, {.embedding = true}, {.model = "a"}),
              "a-capability b: the request needs chat, which its service does not list for the "
              "model");
    EXPECT_EQ(learnt(book, plain, {.model = "a", .prompt_bytes = 808}),
              "a-context b: 808 bytes of prompt do not fit 100 tokens");
}

TEST(Decide, WhatTheConfigurationStatesWinsOverWhatAServiceSays) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.target("a").capabilities = {.stated = true, .tools = true};
    book.target("a").max_input_tokens = 1000;
    EXPECT_EQ(learnt(book, {.context = 100}, {.model = "a", .tools = true, .prompt_bytes = 808}),
              "a b");
}

TEST(Decide, AWindowThatAServiceSaysMayFollowAnOverflow) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.target("b").max_input_tokens = 200;
    State state = book.state();
    state.facts = std::make_shared<const base::FactTable>(
        base::FactTable{{"a", {.completion = true, .context = 100}}});
    auto decision = decide(state, {.model = "a"}, 1);
    after_context_overflow(state, {.model = "a"}, *decision, 0);
    EXPECT_EQ(shown(*decision), "a b");
}

TEST(Decide, WhoIsLeftWhileAModelIsPulledIsAskedEvenWhenSetAside) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.bench("b");
    State state = book.state();
    state.pulls = std::make_shared<const base::Pulls>(
        std::vector<base::Pull>{{.model = "m", .service = "s", .targets = {"a"}}});
    const auto decision = decide(state, {.model = "a"}, 1);
    EXPECT_EQ(shown(*decision), "a-pulling b");
}

TEST(Decide, UnknownAliasIsNotFound) {
    Book book;
    book.alias("a");
    const auto decision = book.decide({.model = "b"});
    ASSERT_FALSE(decision);
    EXPECT_EQ(decision.error().kind, base::ErrorKind::not_found);
}

TEST(Decide, ACompletionModelServesWhateverIsAsked) {
    Book book;
    book.alias("a");
    book.alias("forced", {"m"}, {"a"});
    book.catalog.settings.completion_model = "forced";
    EXPECT_EQ(shown(book.of("a")), "forced a");
    EXPECT_EQ(shown(*book.decide({.model = "nobody", .mode = config::Mode::completion})),
              "forced a");
    EXPECT_EQ(served_alias(book.catalog.settings, {.model = "a", .mode = config::Mode::embedding}),
              "a");
    book.catalog.settings.completion_model = "missing";
    EXPECT_FALSE(book.decide({.model = "a"}));
}

TEST(Decide, DefaultFallbacksServeAnUnknownAlias) {
    Book book;
    book.alias("a");
    book.alias("b");
    book.catalog.settings.default_fallbacks = {"b", "missing", "a"};
    const Decision decision = book.of("nobody");
    EXPECT_EQ(decision.alias, nullptr);
    EXPECT_EQ(shown(decision), "b a");
}

TEST(Decide, UnknownMembersOfAChainArePassedOver) {
    Book book;
    book.alias("a", {"m"}, {"missing", "b"});
    book.alias("b");
    EXPECT_EQ(shown(book.of("a")), "a b");
}

TEST(Decide, G2CyclicChainsEndAndNobodyIsTwiceInOne) {
    Book book;
    book.alias("a", {"m"}, {"b", "a", "b", "c", "a"});
    book.alias("b", {"m"}, {"a"});
    book.alias("c", {"m"}, {"c", "b"});
    EXPECT_EQ(shown(book.of("a")), "a b c");
    EXPECT_EQ(shown(book.of("b")), "b a");
    EXPECT_EQ(shown(book.of("c")), "c b");
}

TEST(Decide, GroupsAreAskedByOrderBeforeTheChain) {
    Book book;
    book.alias("a", {"m1", "m2", "m3"}, {"b"});
    book.alias("b");
    book.target("a").order = 3;
    book.target("a#2").order = 1;
    book.target("a#3").order = 2;
    for (std::uint64_t seed = 0; seed < 50; ++seed)
        EXPECT_EQ(shown(book.of("a", seed)), "a#2 a#3 a b");
}

TEST(Decide, WeightsShareTheFirstPlace) {
    Book book;
    book.alias("a", {"m1", "m2", "m3"});
    book.target("a").weight = 6;
    book.target("a#2").weight = 3;
    book.target("a#3").weight = 1;
    std::map<std::string, int> first;
    std::set<std::string> seen;
    constexpr int kDraws = 20'000;
    for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
        const Decision decision = book.of("a", seed);
        ASSERT_EQ(decision.candidates.size(), 3u);
        ++first[decision.candidates[0].target->id];
        seen.insert(shown(decision));
    }
    EXPECT_NEAR(first["a"], 0.6 * kDraws, 0.02 * kDraws);
    EXPECT_NEAR(first["a#2"], 0.3 * kDraws, 0.02 * kDraws);
    EXPECT_NEAR(first["a#3"], 0.1 * kDraws, 0.02 * kDraws);
    EXPECT_EQ(seen.size(), 6u) << "every order comes up";
}

TEST(Decide, TheSameSeedDecidesTheSame) {
    Book book;
    book.alias("a", {"m1", "m2", "m3", "m4"});
    for (std::uint64_t seed = 0; seed < 20; ++seed)
        EXPECT_EQ(shown(book.of("a", seed)), shown(book.of("a", seed)));
}

TEST(Decide, AWildcardFillsTheStar) {
    Book book;
    book.alias("openai/*", {"*"}).wildcard = true;
    book.alias("a", {"m"}, {"openai/gpt-5"});
    EXPECT_EQ(book.of("openai/gpt-4.1").candidates[0].model, "gpt-4.1");
    const Decision chained = book.of("a");
    ASSERT_EQ(chained.candidates.size(), 2u);
    EXPECT_EQ(chained.candidates[1].model, "gpt-5");
}

TEST(Decide, TwoModelsBehindOneWildcardAreTwoCandidates) {
    Book book;
    book.alias("x/*", {"vendor/*"}).wildcard = true;
    book.alias("a", {"m"}, {"x/one", "x/two", "x/one"});
    const Decision decision = book.of("a");
    ASSERT_EQ(decision.candidates.size(), 3u);
    EXPECT_EQ(decision.candidates[1].model, "vendor/one");
    EXPECT_EQ(decision.candidates[2].model, "vendor/two");
}

TEST(Decide, GroupAliasesLeadToTheirGroup) {
    Book book;
    book.alias("a");
    book.catalog.settings.model_group_alias["gpt-4"] = "a";
    EXPECT_EQ(shown(book.of("gpt-4")), "a");
}

TEST(Decide, OnlyTargetsOfTheModeAreAsked) {
    Book book;
    book.alias("chat", {"m"}, {"completion", "embedding"});
    book.alias("completion");
    book.alias("embedding");
    book.target("completion").mode = config::Mode::completion;
    book.target("embedding").mode = config::Mode::embedding;
    EXPECT_EQ(shown(book.of("chat")), "chat completion embedding-mode");
    EXPECT_EQ(shown(*book.decide({.model = "chat", .mode = config::Mode::embedding})),
              "chat-mode completion-mode embedding");
}

TEST(Decide, StatedCapabilitiesAreNeeded) {
    Book book;
    book.alias("silent", {"m"}, {"plain", "tools", "vision"});
    for (const char* name : {"plain", "tools", "vision"}) {
        book.alias(name);
        book.target(name).capabilities.stated = true;
    }
    book.target("tools").capabilities.tools = true;
    book.target("vision").capabilities.vision = true;
    EXPECT_EQ(shown(book.of("silent")), "silent plain tools vision");
    EXPECT_EQ(shown(*book.decide({.model = "silent", .tools = true})),
              "silent plain-capability tools vision-capability");
    EXPECT_EQ(shown(*book.decide({.model = "silent", .vision = true})),
              "silent plain-capability tools-capability vision");
}

TEST(Decide, EveryNeedThatExcludesIsNamed) {
    Book book;
    book.alias("plain", {"m"}, {"all", "cohere", "groq"});
    book.target("plain").capabilities = {.stated = true, .streaming = false};
    for (const char* name : {"all", "cohere", "groq"}) book.alias(name);
    book.target("all").capabilities = {
        .stated = true, .tools = true, .vision = true, .audio_input = true, .documents = true};
    book.target("cohere").provider = base::Provider::cohere;
    book.target("groq").provider = base::Provider::groq;
    auto why = [&](const Ask& ask) { return book.decide(ask)->candidates.front().why; };
    EXPECT_EQ(why({.model = "plain", .vision = true}), "the request needs images");
    EXPECT_EQ(why({.model = "plain", .tools = true, .vision = true}),
              "the request needs images and tools");
    EXPECT_EQ(
        why({.model = "plain", .tools = true, .audio = true, .documents = true, .stream = true}),
        "the request needs audio input, documents, tools and streaming");
    EXPECT_EQ(why({.model = "plain", .json_schema = true}), "")
        << "emulated, so nobody is skipped or moved for it";
    EXPECT_EQ(shown(*book.decide({.model = "plain", .choices = 2})),
              "plain all cohere-capability groq-capability");
    book.target("groq").allow = {"n"};
    EXPECT_EQ(shown(*book.decide({.model = "plain", .json_schema = true, .choices = 2})),
              "plain-capability all-capability cohere-capability groq")
        << "an emulated format gives one answer";
}

TEST(Decide, APromptTooLargeForTheAliasGoesToItsContextWindowFallbacks) {
    Book book;
    book.alias("small", {"m"}, {"other"});
    book.alias("other");
    book.alias("large");
    book.target("small").max_input_tokens = 1000;
    book.target("large").max_input_tokens = 100'000;
    const Ask ask{.model = "small", .prompt_bytes = 9000};
    EXPECT_EQ(shown(*book.decide(ask)), "small-context other");
    book.catalog.settings.context_window_fallbacks["small"] = {"large"};
    EXPECT_EQ(shown(*book.decide(ask)), "small-context other-context large");
    EXPECT_EQ(shown(*book.decide({.model = "small", .prompt_bytes = 7000})), "small other");
}

TEST(Decide, APromptThatNeverFitsIsNotSent) {
    Book book;
    book.alias("small", {"m"}, {"large", "unknown"});
    book.alias("large");
    book.alias("unknown");
    book.target("small").max_input_tokens = 1000;
    book.target("large").max_input_tokens = 100'000;
    EXPECT_EQ(shown(*book.decide({.model = "small", .prompt_bytes = 8000})), "small large unknown");
    EXPECT_EQ(shown(*book.decide({.model = "small", .prompt_bytes = 8008})),
              "small-context large unknown");
    EXPECT_EQ(shown(*book.decide({.model = "small", .vision = true, .prompt_bytes = 80'000})),
              "small large unknown")
        << "the bytes of images are no tokens";
}

TEST(Decide, TargetsWithoutTheirKeyAreSkippedFirstOfAll) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.target("a").left_out = "GROQ_API_KEY is not set";
    book.bench("a");
    const Decision decision = book.of("a");
    EXPECT_EQ(shown(decision), "a-no_key b");
    EXPECT_EQ(decision.candidates[0].why, "GROQ_API_KEY is not set");
}

TEST(Decide, BenchedTargetsSayForWhatAndUntilWhen) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.bench("a", 90s);
    const Decision decision = book.of("a");
    EXPECT_EQ(shown(decision), "a-benched b");
    EXPECT_EQ(decision.candidates[0].cause, Outcome::rate_limited);
    EXPECT_EQ(decision.candidates[0].back_in, 90s);
    EXPECT_EQ(decision.candidates[0].why, "rate_limited (stated), back in 90 s");
}

TEST(Decide, G5TheOnlyCandidateIsAskedThoughBenched) {
    Book book;
    book.alias("a");
    book.alias("b", {"m"}, {"a"});
    book.bench("a");
    book.bench("b");
    const Decision alone = book.of("a");
    EXPECT_EQ(shown(alone), "a");
    EXPECT_FALSE(alone.candidates[0].back_in);
    EXPECT_FALSE(alone.candidates[0].why.empty());
    EXPECT_EQ(shown(book.of("b")), "b-benched a-benched") << "with a fallback both stay set aside";
}

TEST(ContextOverflow, GoesOnlyToALargerWindow) {
    Book book;
    book.alias("a", {"m"}, {"same", "larger", "unknown", "smaller", "benched"});
    for (const char* name : {"same", "larger", "unknown", "smaller", "benched"}) book.alias(name);
    book.target("a").max_input_tokens = 8000;
    book.target("same").max_input_tokens = 8000;
    book.target("larger").max_input_tokens = 8001;
    book.target("smaller").max_input_tokens = 4000;
    book.target("benched").max_input_tokens = 100'000;
    book.bench("benched");
    Decision decision = book.of("a");
    after_context_overflow(book.last(), {.model = "a"}, decision, 0);
    EXPECT_EQ(shown(decision),
              "a same-context larger unknown-context smaller-context benched-benched");
}

TEST(ContextOverflow, OfAnUnknownWindowEndsTheChain) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.target("b").max_input_tokens = 1'000'000;
    Decision decision = book.of("a");
    after_context_overflow(book.last(), {.model = "a"}, decision, 0);
    EXPECT_EQ(shown(decision), "a b-context");
}

TEST(ContextOverflow, ConfiguredFallbacksTakeTheChainsPlace) {
    Book book;
    book.alias("a", {"m"}, {"b", "long"});
    for (const char* name : {"b", "long", "longer", "off"}) book.alias(name);
    book.target("off").left_out = "X is not set";
    book.catalog.settings.context_window_fallbacks["a"] = {"longer", "a", "long", "off"};
    Decision decision = book.of("a");
    after_context_overflow(book.last(), {.model = "a"}, decision, 0);
    EXPECT_EQ(shown(decision), "a b-context long longer off-no_key") << "and nobody is asked twice";
}

TEST(ContentRefusal, IsTheAnswerUnlessFallbacksAreConfigured) {
    Book book;
    book.alias("a", {"m"}, {"b"});
    book.alias("b");
    book.alias("c");
    Decision decision = book.of("a");
    EXPECT_FALSE(after_content_refusal(book.last(), {.model = "a"}, decision, 0));
    EXPECT_EQ(shown(decision), "a b");

    book.catalog.settings.content_policy_fallbacks["a"] = {"c"};
    decision = book.of("a");
    EXPECT_TRUE(after_content_refusal(book.last(), {.model = "a"}, decision, 0));
    EXPECT_EQ(shown(decision), "a b-capability c");
}

TEST(ContentRefusal, OfADefaultFallbackIsTheAnswer) {
    Book book;
    book.alias("a");
    book.catalog.settings.default_fallbacks = {"a"};
    Decision decision = book.of("nobody");
    EXPECT_FALSE(after_content_refusal(book.last(), {.model = "nobody"}, decision, 0));
}

TEST(Consequences, AgreeWithThemselves) {
    for (int i = 0; i <= static_cast<int>(Outcome::client_gone); ++i) {
        const auto outcome = static_cast<Outcome>(i);
        const Consequence& row = consequence(outcome);
        SCOPED_TRACE(llm::name(outcome));
        EXPECT_LE(row.bench, row.bench_most);
        EXPECT_LT(row.bench_most, 24h) << "a guess never becomes a day";
        if (row.quota) EXPECT_EQ(row.status, 429);
        if (outcome == Outcome::served) continue;
        EXPECT_FALSE(row.code.empty());
        EXPECT_GE(row.status, 400);
        EXPECT_LE(row.status, 504);
        if (row.status == 400 || row.status == 413)
            EXPECT_EQ(row.bench, 0s) << "the request's fault benches nobody";
    }
}

TEST(Consequences, G12OnlyTheseAnswerAtOnce) {
    std::set<Outcome> at_once;
    for (int i = 0; i <= static_cast<int>(Outcome::client_gone); ++i)
        if (!consequence(static_cast<Outcome>(i)).move_on) at_once.insert(static_cast<Outcome>(i));
    EXPECT_EQ(at_once,
              (std::set<Outcome>{Outcome::served, Outcome::content_filtered, Outcome::bad_request,
                                 Outcome::cancelled, Outcome::client_gone}));
}

namespace {

void add_embedders(Book& book) {
    book.alias("a", {"BAAI/bge-m3"}, {"b", "c", "d", "e"});
    book.alias("b", {"bge-m3:latest"});
    book.alias("c", {"bge-m3"});
    book.alias("d", {"nomic-embed-text"});
    book.alias("e", {"anything"});
    for (config::Target& target : book.catalog.targets) target.mode = config::Mode::embedding;
    book.target("c").embedding_space = "other";
    book.target("e").embedding_space = "bge-m3";
}

}  // namespace

TEST(Decide, AChainNeverLeavesOneEmbeddingSpace) {
    Book book;
    add_embedders(book);
    const Ask ask{.model = "a", .mode = config::Mode::embedding};
    EXPECT_EQ(shown(*book.decide(ask)), "a b c d-capability e-capability");
    book.target("a").embedding_space = "bge-m3";
    const Decision decision = *book.decide(ask);
    EXPECT_EQ(shown(decision), "a b c-capability d-capability e");
    EXPECT_EQ(decision.candidates[2].why,
              "its vectors (other) can't be compared with those of bge-m3");
    EXPECT_EQ(decision.candidates[3].why,
              "its vectors (nomic-embed-text) can't be compared with those of bge-m3");
}

TEST(Decide, AMemberOfAGroupWithOtherVectorsIsLeftOut) {
    Book book;
    book.alias("a", {"bge-m3", "nomic-embed-text"});
    for (config::Target& target : book.catalog.targets) target.mode = config::Mode::embedding;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Decision decision =
            *book.decide({.model = "a", .mode = config::Mode::embedding}, seed);
        for (const Candidate& candidate : decision.candidates)
            EXPECT_EQ(candidate.skip == Skip::none, candidate.model == "bge-m3") << seed;
    }
}

TEST(Decide, AWindowMustHoldOneInputNotAll) {
    Book book;
    book.alias("a");
    book.target("a").mode = config::Mode::embedding;
    book.target("a").max_input_tokens = 1000;
    Ask ask{.model = "a", .mode = config::Mode::embedding, .prompt_bytes = 1'000'000};
    ask.inputs = 500;
    ask.window_bytes = 2000;
    EXPECT_EQ(shown(*book.decide(ask)), "a");
    ask.window_bytes = 9000;
    EXPECT_EQ(shown(*book.decide(ask)), "a-context");
}

TEST(Decide, AnUnknownNameLeadsToNoAgent) {
    Book book;
    book.alias("agent");
    book.alias("plain");
    book.target("agent").capabilities.agent = true;
    book.catalog.settings.default_fallbacks = {"agent", "plain"};
    const Decision decision = book.of("nobody");
    ASSERT_EQ(decision.candidates.size(), 2u);
    EXPECT_EQ(decision.candidates[0].skip, Skip::capability);
    EXPECT_EQ(decision.candidates[1].skip, Skip::none);
}

TEST(Decide, WorkCountsTheCallsThatAProviderNeeds) {
    config::Target target;
    target.provider = base::Provider::cohere;
    Ask ask{.model = "a", .mode = config::Mode::embedding};
    ask.inputs = 300;
    EXPECT_EQ(ask.work(target).calls, 4u);
    EXPECT_EQ(ask.work(target).inputs, 300);
    ask.mode = config::Mode::rerank;
    EXPECT_EQ(ask.work(target).calls, 1u);
}
