#include "app/rehearse.h"

#include "app/rehearsal_output.h"
#include "config/load.h"
#include "route/rehearsal.h"
#include "route/rehearsal_log.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <expected>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace app {
namespace {

constexpr int kProblem = 1;
constexpr int kWrongUse = 2;

/// What to print, and the exit code.
struct Trouble {
    int code = kProblem;
    std::string text;
};
template <class T>
using Tried = std::expected<T, Trouble>;

std::unexpected<Trouble> trouble(int code, std::string text) {
    return std::unexpected(Trouble{code, std::move(text)});
}

/// The catalog, with every target taken as if its key were there.
Tried<config::Catalog> load(const CommonOptions& common, const RehearseOptions& options) {
    const auto environment = config::Environment::read(common.env);
    const config::Loaded loaded = config::load(
        common.config, environment, options.all ? config::Scope::all : config::Scope::serving);
    if (!loaded.catalog) {
        std::string text = "the configuration can't be used:";
        for (const config::Diagnostic& found : loaded.diagnostics) text += "\n" + found.str();
        return trouble(kProblem, std::move(text));
    }
    config::Catalog catalog = *loaded.catalog;
    for (config::Target& target : catalog.targets) target.left_out.clear();
    if (catalog.targets.empty())
        return trouble(kProblem,
                       fmt::format("no provider is enabled: set a flag to 1 in {}, or take all "
                                   "with --all",
                                   common.env));
    return catalog;
}

std::optional<double> number(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool read = error == std::errc() && end == text.data() + text.size();
    return read && value > 0 && value <= 1e6 ? std::optional(value) : std::nullopt;
}

Tried<std::pair<std::string, double>> weighted(const std::string& text,
                                               const config::Catalog& catalog) {
    if (catalog.find(text)) return std::pair(text, 1.0);
    const std::size_t colon = text.rfind(':');
    const std::string name = text.substr(0, colon);
    if (!catalog.find(name))
        return trouble(kProblem,
                       fmt::format("there is no alias `{}`: `freeway models` lists them", name));
    const auto weight = number(std::string_view(text).substr(colon + 1));
    if (!weight)
        return trouble(kWrongUse,
                       fmt::format("--alias {}: what follows the colon is a weight above 0", text));
    return std::pair(name, *weight);
}

/// Those that were named, else all that chat and have a chain.
Tried<std::vector<std::pair<std::string, double>>> aliases(const RehearseOptions& options,
                                                           const config::Catalog& catalog) {
    std::vector<std::pair<std::string, double>> chosen;
    for (const std::string& text : options.aliases) {
        auto one = weighted(text, catalog);
        if (!one) return std::unexpected(std::move(one).error());
        chosen.push_back(std::move(*one));
    }
    if (!options.aliases.empty()) return chosen;
    for (const config::Alias& alias : catalog.aliases)
        if (alias.mode == config::Mode::chat && !alias.chain.empty() && !alias.wildcard)
            chosen.emplace_back(alias.name, 1);
    if (chosen.empty())
        return trouble(kProblem, "no chat alias has a chain: say which to ask for with --alias");
    return chosen;
}

Tried<route::Traffic> made_up(const RehearseOptions& options, const config::Catalog& catalog) {
    route::TrafficPlan plan;
    plan.seed = options.seed;
    const auto rate = route::parse_rate(options.rate);
    if (!rate)
        return trouble(kWrongUse,
                       fmt::format("--rate {}: write it as 2000/day or 100/hour", options.rate));
    const auto span = route::parse_span(options.span);
    if (!span)
        return trouble(
            kWrongUse,
            fmt::format("--span {}: write day, week, month, 30d or 12h, 366 days at most",
                        options.span));
    const std::size_t comma = options.tokens.find(',');
    const auto prompt = number(options.tokens.substr(0, comma));
    const auto answer = comma == std::string::npos
                            ? std::nullopt
                            : number(std::string_view(options.tokens).substr(comma + 1));
    if (!prompt || !answer)
        return trouble(kWrongUse, fmt::format("--tokens {}: write the means of prompt and answer "
                                              "as 800,300",
                                              options.tokens));
    const double days = std::chrono::duration<double, std::ratio<86400>>(*span).count();
    if (*rate * days > route::TrafficPlan::kMost)
        return trouble(kWrongUse,
                       fmt::format("{} over {} is more than {} requests: rehearse a shorter span",
                                   options.rate, options.span, route::TrafficPlan::kMost));
    auto chosen = aliases(options, catalog);
    if (!chosen) return std::unexpected(std::move(chosen).error());
    plan.per_day = *rate;
    plan.span = *span;
    plan.prompt_tokens = *prompt;
    plan.answer_tokens = *answer;
    plan.aliases = std::move(*chosen);
    return route::generate(plan);
}

Tried<route::Traffic> logged(const RehearseOptions& options, const config::Catalog& catalog) {
    std::ifstream file(options.log, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) return trouble(kProblem, options.log + " can't be read");
    auto traffic = route::read_log(text, options.log, catalog);
    if (!traffic) return trouble(kProblem, traffic.error().detail);
    return std::move(*traffic);
}

std::vector<config::Routing> routings(const RehearseOptions& options, config::Routing configured) {
    using enum config::Routing;
    if (options.routing == "both") return {strict, spend_wisely};
    if (options.routing == "strict") return {strict};
    if (options.routing == "spend_wisely") return {spend_wisely};
    return {configured};
}

}  // namespace

int rehearse(const CommonOptions& common, const RehearseOptions& options) {
    const auto run = [&]() -> Tried<Rehearsed> {
        auto catalog = load(common, options);
        if (!catalog) return std::unexpected(std::move(catalog).error());
        auto traffic = options.log.empty() ? made_up(options, *catalog) : logged(options, *catalog);
        if (!traffic) return std::unexpected(std::move(traffic).error());
        Rehearsed done{.begin = traffic->begin, .end = traffic->begin, .reports = {}};
        if (!traffic->arrivals.empty()) done.end = traffic->arrivals.back().time;
        for (const config::Routing routing : routings(options, catalog->settings.routing)) {
            auto copy = std::make_shared<config::Catalog>(*catalog);
            copy->settings.routing = routing;
            done.reports.push_back(route::rehearse(copy, *traffic, options.seed));
        }
        return done;
    };
    const auto done = run();
    if (!done) {
        fmt::print(stderr, "freeway: {}\n", done.error().text);
        return done.error().code;
    }
    std::fputs((common.json ? rehearsal_json(*done) : rehearsal_text(*done)).c_str(), stdout);
    return 0;
}

}  // namespace app
