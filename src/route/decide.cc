#include "route/decide.h"

#include "base/units.h"
#include "config/embedding_space.h"
#include "llm/embeddings.h"
#include "llm/openai_rules.h"
#include "route/ability.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace route {
namespace {

/// No text has fewer tokens than this many bytes each: a prompt that is too large
/// even so never fits, without a tokenizer.
constexpr std::uint64_t kMostBytesPerToken = 8;
constexpr std::string_view kNotNamed = "not among the context_window_fallbacks";

std::string fill_star(const std::string& model, const std::string& captured) {
    const std::size_t star = model.find('*');
    return star == std::string::npos ? model
                                     : model.substr(0, star) + captured + model.substr(star + 1);
}

/// Weighted shuffle within each `order` level.
std::vector<std::size_t> group_order(const config::Catalog& catalog, const config::Alias& alias,
                                     std::uint64_t seed) {
    std::vector<std::size_t> order = alias.targets;
    if (order.size() < 2) return order;
    std::mt19937_64 random(seed);
    std::vector<std::pair<double, std::size_t>> keyed;
    for (const std::size_t index : order) {
        const double weight = std::max(1, catalog.targets[index].weight);
        const double draw = std::uniform_real_distribution<>(1e-12, 1.0)(random);
        keyed.emplace_back(std::log(draw) / weight, index);
    }
    std::sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        const int left = catalog.targets[a.second].order;
        const int right = catalog.targets[b.second].order;
        return left != right ? left < right : a.first > b.first;
    });
    for (std::size_t i = 0; i < keyed.size(); ++i) order[i] = keyed[i].second;
    return order;
}

bool serves(config::Mode target, config::Mode wanted) {
    if (wanted == config::Mode::completion || wanted == config::Mode::chat)
        return target == config::Mode::chat || target == config::Mode::completion;
    return target == wanted;
}

/// Several answers to one request: only in OpenAI's protocol, where the provider has them, and
/// never where the answer's format is emulated.
bool gives_choices(const config::Target& target, const Ask& ask) {
    if (llm::protocol_of(target.provider) != llm::Protocol::openai) return false;
    const config::Capabilities& can = target.capabilities;
    if (ask.json_schema && can.stated && !can.json_schema) return false;
    const bool allowed =
        std::find(target.allow.begin(), target.allow.end(), "n") != target.allow.end();
    return allowed || llm::gives_choices(target.provider);
}

/// All that the request needs and the target, by its own statement or its provider's, lacks:
/// "images and tools"; empty: nothing.
std::string lacking(const State& state, const config::Target& target, const Ask& ask) {
    const base::ModelFacts* const said = learned(target, state.facts.get());
    const config::Capabilities can = ability(target, state.facts.get());
    std::vector<std::string> needs;
    if (said && !said->completion && serves(config::Mode::chat, ask.mode))
        needs.emplace_back("chat");
    const auto need = [&](bool asked, bool has, std::string_view what) {
        if (asked && can.stated && !has) needs.emplace_back(what);
    };
    need(ask.vision, can.vision, "images");
    need(ask.audio, can.audio_input, "audio input");
    need(ask.documents, can.documents, "documents");
    need(ask.tools, can.tools, "tools");
    need(ask.stream, can.streaming, "streaming");
    const bool not_listed = said && !needs.empty();
    if (ask.choices > 1 && !gives_choices(target, ask))
        needs.push_back(fmt::format("{} choices", ask.choices));
    std::string out;
    for (std::size_t i = 0; i < needs.size(); ++i)
        out += (i == 0 ? "" : i + 1 < needs.size() ? ", " : " and ") + needs[i];
    if (not_listed) out += ", which its service does not list for the model";
    return out;
}

void judge(Candidate& candidate, const State& state, const Ask& ask) {
    const config::Target& target = *candidate.target;
    const std::optional<std::uint64_t> room = window(target, state.facts.get());
    if (!target.left_out.empty()) {
        candidate.skip = Skip::no_key;
        candidate.why = target.left_out;
    } else if (!serves(target.mode, ask.mode)) {
        candidate.skip = Skip::mode;
        candidate.why = fmt::format("its mode is {}", config::name(target.mode));
    } else if (const std::string need = lacking(state, target, ask); !need.empty()) {
        candidate.skip = Skip::capability;
        candidate.why = fmt::format("the request needs {}", need);
    } else if (const std::uint64_t bytes = ask.window_bytes.value_or(ask.prompt_bytes);
               room && !ask.vision && bytes / kMostBytesPerToken > *room) {
        candidate.skip = Skip::context;
        candidate.why = fmt::format("{} bytes of prompt do not fit {} tokens", bytes, *room);
    } else if (const base::Pull* pull = state.pulls ? state.pulls->missing(target.id) : nullptr) {
        set_aside(candidate, *pull, state.now.steady);
    } else if (const auto bench = state.benches.find(target, state.now.steady)) {
        set_aside(candidate, *bench, state.now.steady);
    } else if (const auto shortage = state.book.shortage(target, ask.work(target), state.now)) {
        set_aside(candidate, *shortage);
    }
}

/// The free candidates among those that can go change places: first whose quota comes back
/// soonest with most of it left, last what is scarce. Those without a known limit stay behind.
void spend_wisely(const State& state, const Ask& ask, std::vector<Candidate>& candidates) {
    std::vector<std::size_t> places;
    std::vector<std::pair<double, std::size_t>> free;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const Candidate& candidate = candidates[i];
        if (candidate.skip != Skip::none || candidate.target->tier != config::Tier::free) continue;
        places.push_back(i);
        const config::Target& target = *candidate.target;
        free.emplace_back(state.book.plenty(target, ask.work(target), state.now).value_or(0), i);
    }
    std::sort(free.begin(), free.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::vector<Candidate> moved;
    moved.reserve(free.size());
    for (const auto& [plenty, from] : free) moved.push_back(std::move(candidates[from]));
    for (std::size_t i = 0; i < places.size(); ++i) candidates[places[i]] = std::move(moved[i]);
}

void add_alias(const config::Catalog& catalog, const config::Alias& alias,
               const std::string& captured, std::uint64_t seed, std::vector<Candidate>& out) {
    for (const std::size_t index : group_order(catalog, alias, seed)) {
        const config::Target* target = &catalog.targets[index];
        std::string model = fill_star(target->model, captured);
        const bool known = std::any_of(out.begin(), out.end(), [&](const Candidate& c) {
            return c.target == target && c.model == model;
        });
        if (!known) out.push_back({.target = target, .model = std::move(model)});
    }
}

void add_chain(const config::Catalog& catalog, const std::vector<std::string>& chain,
               std::uint64_t seed, std::vector<Candidate>& out) {
    for (const std::string& member : chain) {
        std::string captured;
        if (const config::Alias* alias = catalog.find(member, &captured))
            add_alias(catalog, *alias, captured, seed, out);
    }
}

/// The target whose vectors the client expects: the first one of the alias that has any, whatever
/// the order of asking is today, else the first of its chain. nullptr: nobody has vectors.
const config::Target* space_of(const config::Catalog& catalog, const Decision& decision) {
    const auto embeds = [](const config::Target& target) {
        return target.mode == config::Mode::embedding;
    };
    if (decision.alias)
        for (const std::size_t index : decision.alias->targets)
            if (embeds(catalog.targets[index])) return &catalog.targets[index];
    for (const Candidate& candidate : decision.candidates)
        if (embeds(*candidate.target)) return candidate.target;
    return nullptr;
}

/// Vectors of one model can't be compared with another's: a chain stays in one space.
void keep_space(const config::Catalog& catalog, const Ask& ask, Decision& decision) {
    if (ask.mode != config::Mode::embedding) return;
    const config::Target* first = space_of(catalog, decision);
    if (!first) return;
    std::string_view model = first->model;
    for (const Candidate& candidate : decision.candidates)
        if (candidate.target == first) model = candidate.model;
    for (Candidate& candidate : decision.candidates) {
        if (candidate.target->mode != config::Mode::embedding ||
            config::same_space(*first, model, *candidate.target, candidate.model))
            continue;
        candidate.skip = Skip::capability;
        candidate.back_in.reset();
        candidate.why = fmt::format("its vectors ({}) can't be compared with those of {}",
                                    config::space_name(*candidate.target, candidate.model),
                                    config::space_name(*first, model));
    }
}

using Table = std::map<std::string, std::vector<std::string>, std::less<>>;

/// Only `names` may follow `failed`: those not yet in the list are added at its end.
void follow_only(const State& state, const Ask& ask, Decision& decision, std::size_t failed,
                 const std::vector<std::string>& names, Skip skip, std::string_view why) {
    for (std::size_t i = failed + 1; i < decision.candidates.size(); ++i) {
        Candidate& candidate = decision.candidates[i];
        const bool named =
            std::find(names.begin(), names.end(), candidate.target->alias) != names.end();
        if (named || candidate.skip != Skip::none) continue;
        candidate.skip = skip;
        candidate.why = why;
    }
    const std::size_t had = decision.candidates.size();
    add_chain(state.catalog(), names, 0, decision.candidates);
    for (std::size_t i = had; i < decision.candidates.size(); ++i)
        judge(decision.candidates[i], state, ask);
    keep_space(state.catalog(), ask, decision);
}

const std::vector<std::string>* names_for(const Table& table, const Decision& decision) {
    if (!decision.alias) return nullptr;
    const auto found = table.find(decision.alias->name);
    return found == table.end() ? nullptr : &found->second;
}

/// The alias's own targets are all too small for the prompt.
bool overflows(const Decision& decision, std::size_t own) {
    return own > 0 && std::all_of(decision.candidates.begin(),
                                  decision.candidates.begin() + static_cast<std::ptrdiff_t>(own),
                                  [](const Candidate& c) { return c.skip == Skip::context; });
}

}  // namespace

quota::Work Ask::work(const config::Target& target) const {
    quota::Work work{prompt_bytes,  max_tokens, images, static_cast<double>(inputs),
                     audio_seconds, characters};
    if (mode == config::Mode::embedding)
        work.calls = llm::most_batches(target.provider, inputs, prompt_bytes);
    return work;
}

Ask ask_for(const config::Catalog& catalog, std::string model) {
    Ask ask;
    if (const config::Alias* alias = catalog.find(model)) ask.mode = alias->mode;
    ask.model = std::move(model);
    return ask;
}

const std::string& served_alias(const config::Settings& settings, const Ask& ask) {
    const bool text = ask.mode == config::Mode::chat || ask.mode == config::Mode::completion;
    return text && !settings.completion_model.empty() ? settings.completion_model : ask.model;
}

std::string_view name(Skip skip) {
    switch (skip) {
        case Skip::none: return "go";
        case Skip::no_key: return "no_key";
        case Skip::benched: return "benched";
        case Skip::quota: return "quota";
        case Skip::mode: return "mode";
        case Skip::capability: return "capability";
        case Skip::context: return "context";
        case Skip::pulling: return "pulling";
        case Skip::unsupported: return "unsupported";
        case Skip::engine: return "engine";
        case Skip::concurrency: return "concurrency";
        case Skip::device: return "device";
    }
    return "go";
}

void set_aside(Candidate& candidate, const Bench& bench, base::Time now) {
    candidate.skip = Skip::benched;
    candidate.cause = bench.cause;
    candidate.back_in = std::chrono::ceil<base::Duration>(bench.until - now);
    candidate.why = fmt::format("{} ({}), back in {}", llm::name(bench.cause), name(bench.source),
                                base::human(*candidate.back_in));
}

void set_aside(Candidate& candidate, const base::Pull& pull, base::Time now) {
    candidate.skip = Skip::pulling;
    candidate.back_in = pull.left(now);
    candidate.why = pull.text(now);
}

void set_aside(Candidate& candidate, const quota::Shortage& shortage) {
    candidate.skip = Skip::quota;
    candidate.cause = shortage.cause();
    candidate.back_in = shortage.back_in;
    candidate.why = shortage.text();
}

namespace {

/// Nobody comes to an agent who has not named it or a chain that leads to it.
void keep_agents_out(std::vector<Candidate>& candidates) {
    for (Candidate& candidate : candidates) {
        if (!candidate.target->capabilities.agent) continue;
        candidate.skip = Skip::capability;
        candidate.why = "an agent with side effects, and nobody asked for one";
        candidate.back_in.reset();
    }
}

/// Where one candidate alone can serve the request at all, it is asked even when benched.
void ask_the_only_one(const State& state, const Ask& ask, Decision& decision) {
    const auto able = [](const Candidate& c) {
        return c.skip == Skip::none || c.skip == Skip::benched || c.skip == Skip::quota;
    };
    decision.alone =
        std::count_if(decision.candidates.begin(), decision.candidates.end(), able) == 1;
    if (!decision.alone) return;
    Candidate& only = *std::find_if(decision.candidates.begin(), decision.candidates.end(), able);
    if (only.skip != Skip::benched) return;
    only = {.target = only.target, .model = std::move(only.model)};
    if (const auto shortage =
            state.book.shortage(*only.target, ask.work(*only.target), state.now)) {
        set_aside(only, *shortage);
    } else {
        only.why = "asked although it is set aside: nobody else can serve this request";
    }
}

}  // namespace

base::Result<Decision> decide(const State& state, const Ask& ask, std::uint64_t seed) {
    const config::Catalog& catalog = state.catalog();
    Decision decision;
    std::size_t own = 0;
    std::string captured;
    decision.alias = catalog.find(served_alias(catalog.settings, ask), &captured);
    if (!decision.alias && catalog.settings.default_fallbacks.empty())
        return base::fail(base::ErrorKind::not_found, "no alias of that name");
    if (decision.alias) {
        add_alias(catalog, *decision.alias, captured, seed, decision.candidates);
        own = decision.candidates.size();
        if (ask.chain) add_chain(catalog, decision.alias->chain, seed, decision.candidates);
    } else {
        add_chain(catalog, catalog.settings.default_fallbacks, seed, decision.candidates);
    }
    for (Candidate& candidate : decision.candidates) judge(candidate, state, ask);
    if (!decision.alias) keep_agents_out(decision.candidates);
    keep_space(catalog, ask, decision);
    if (overflows(decision, own)) {
        const auto* names = names_for(catalog.settings.context_window_fallbacks, decision);
        if (names) follow_only(state, ask, decision, own - 1, *names, Skip::context, kNotNamed);
    }
    if (catalog.settings.routing == config::Routing::spend_wisely)
        spend_wisely(state, ask, decision.candidates);
    ask_the_only_one(state, ask, decision);
    return decision;
}

void after_context_overflow(const State& state, const Ask& ask, Decision& decision,
                            std::size_t failed) {
    if (const auto* names =
            names_for(state.catalog().settings.context_window_fallbacks, decision)) {
        follow_only(state, ask, decision, failed, *names, Skip::context, kNotNamed);
        return;
    }
    const auto room = [&](const Candidate& one) { return window(*one.target, state.facts.get()); };
    const auto overflowed = room(decision.candidates[failed]);
    for (std::size_t i = failed + 1; i < decision.candidates.size(); ++i) {
        Candidate& candidate = decision.candidates[i];
        const auto larger = room(candidate);
        if (candidate.skip != Skip::none || (larger && overflowed && *larger > *overflowed))
            continue;
        candidate.skip = Skip::context;
        candidate.why = "its window is not known to be larger than the one that overflowed";
    }
}

bool after_content_refusal(const State& state, const Ask& ask, Decision& decision,
                           std::size_t failed) {
    const auto* names = names_for(state.catalog().settings.content_policy_fallbacks, decision);
    if (!names) return false;
    follow_only(state, ask, decision, failed, *names, Skip::capability,
                "not among the content_policy_fallbacks");
    return true;
}

}  // namespace route
