#include "app/rehearsal_output.h"

#include "app/table.h"
#include "base/plain_numbers.h"
#include "base/units.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace app {
namespace {

namespace json = boost::json;
using config::Tier;
using route::Report;

constexpr std::array kTiers{Tier::free, Tier::flat, Tier::paid, Tier::local};
/// The tables show this many rows; JSON has all.
constexpr std::size_t kMostRows = 15;

std::string_view name(config::Routing routing) {
    return routing == config::Routing::strict ? "strict" : "spend_wisely";
}

std::string grouped(std::uint64_t value) {
    std::string digits = std::to_string(value);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
}

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string with_share(std::uint64_t part, std::uint64_t whole) {
    return fmt::format("{} ({:.1f} %)", grouped(part), 100 * share(part, whole));
}

using Rows = std::vector<std::vector<std::string>>;

Rows overview(const Rehearsed& rehearsed) {
    Rows rows{{""}};
    for (const Report& report : rehearsed.reports) rows[0].emplace_back(name(report.routing));
    const auto row = [&](std::string title, const std::function<std::string(const Report&)>& cell) {
        rows.push_back({std::move(title)});
        for (const Report& report : rehearsed.reports) rows.back().push_back(cell(report));
    };
    row("requests", [](const Report& r) { return grouped(r.requests); });
    for (const Tier tier : kTiers)
        row(fmt::format("served {}", config::name(tier)),
            [tier](const Report& r) { return with_share(r.served_in(tier), r.requests); });
    row("not served", [](const Report& r) { return with_share(r.not_served, r.requests); });
    row("upstream calls", [](const Report& r) { return grouped(r.calls); });
    row("refused by a provider", [](const Report& r) { return with_share(r.refused, r.calls); });
    row("too large for a target", [](const Report& r) { return grouped(r.too_large); });
    row("held back by the ledger", [](const Report& r) { return grouped(r.held_back); });
    row("refusals avoided by that", [](const Report& r) { return grouped(r.spared); });
    row("cost", [](const Report& r) { return fmt::format("{:.2f} USD", r.cost_usd); });
    return rows;
}

std::string amount(double value) {
    return value == static_cast<double>(static_cast<std::uint64_t>(value))
               ? grouped(static_cast<std::uint64_t>(value))
               : fmt::format("{:.2f}", value);
}

Rows exhaustion(const Report& report) {
    std::vector<const route::LimitReport*> limits;
    for (const route::LimitReport& limit : report.limits)
        if (limit.exhausted_at) limits.push_back(&limit);
    std::ranges::sort(limits, [](const auto* a, const auto* b) {
        return std::pair(*a->exhausted_at, a->key) < std::pair(*b->exhausted_at, b->key);
    });
    Rows rows{{"FIRST EXHAUSTED", "LIMIT", "CALLS KEPT AWAY", "KEY"}};
    for (const route::LimitReport* limit : limits)
        rows.push_back({base::rfc3339(*limit->exhausted_at),
                        amount(limit->limit) + (limit->advisory ? " (advisory)" : ""),
                        grouped(limit->kept_away), limit->key});
    return rows;
}

Rows busiest(const Report& report) {
    Rows rows{{"TARGET", "TIER", "CALLS", "SERVED", "REFUSED", "TOKENS", "COST"}};
    for (const route::TargetReport& target : report.targets)
        rows.push_back({target.target, std::string(config::name(target.tier)),
                        grouped(target.calls), grouped(target.served), grouped(target.refused),
                        grouped(static_cast<std::uint64_t>(target.tokens)),
                        target.cost_usd > 0 ? fmt::format("{:.2f} USD", target.cost_usd) : "-"});
    return rows;
}

/// A table of at most kMostRows; nothing where there are none.
std::string shortened(const std::string& title, Rows rows) {
    if (rows.size() <= 1) return {};
    const std::size_t more = rows.size() - 1 > kMostRows ? rows.size() - 1 - kMostRows : 0;
    rows.resize(rows.size() - more);
    const std::string rest = more > 0 ? fmt::format("and {} more (--json has all)\n", more) : "";
    return fmt::format("\n{}\n{}{}", title, table(rows), rest);
}

/// What the second routing serves free beyond the first; nullopt: there is only one.
std::optional<std::int64_t> more_free(const Rehearsed& rehearsed) {
    if (rehearsed.reports.size() < 2) return std::nullopt;
    return static_cast<std::int64_t>(rehearsed.reports[1].served_in(Tier::free)) -
           static_cast<std::int64_t>(rehearsed.reports[0].served_in(Tier::free));
}

json::object to_json(const Report& report) {
    json::object served;
    for (const Tier tier : kTiers) served[config::name(tier)] = report.served_in(tier);
    json::array limits;
    for (const route::LimitReport& limit : report.limits) {
        json::object row{{"key", limit.key},
                         {"limit", limit.limit},
                         {"advisory", limit.advisory},
                         {"first_exhausted", nullptr},
                         {"calls_kept_away", limit.kept_away}};
        if (limit.exhausted_at) row["first_exhausted"] = base::rfc3339(*limit.exhausted_at);
        limits.push_back(std::move(row));
    }
    json::array targets;
    for (const route::TargetReport& target : report.targets)
        targets.push_back(json::object{{"target", target.target},
                                       {"tier", config::name(target.tier)},
                                       {"calls", target.calls},
                                       {"served", target.served},
                                       {"refused", target.refused},
                                       {"tokens", target.tokens},
                                       {"cost_usd", target.cost_usd}});
    return {{"routing", name(report.routing)},   {"requests", report.requests},
            {"served", std::move(served)},       {"not_served", report.not_served},
            {"upstream_calls", report.calls},    {"refused", report.refused},
            {"too_large", report.too_large},     {"held_back", report.held_back},
            {"refusals_avoided", report.spared}, {"cost_usd", report.cost_usd},
            {"limits", std::move(limits)},       {"targets", std::move(targets)}};
}

}  // namespace

std::string rehearsal_text(const Rehearsed& rehearsed) {
    std::string out = fmt::format("{} to {}; every target taken as if its key were set\n\n{}",
                                  base::rfc3339(rehearsed.begin), base::rfc3339(rehearsed.end),
                                  table(overview(rehearsed)));
    if (const auto more = more_free(rehearsed)) {
        const Report& strict = rehearsed.reports[0];
        const double part = strict.requests == 0 ? 0
                                                 : 100 * static_cast<double>(*more) /
                                                       static_cast<double>(strict.requests);
        out += fmt::format(
            "\nspend_wisely serves {:+} requests free ({:+.1f} % of all) and costs {:+.2f} USD\n",
            *more, part, rehearsed.reports[1].cost_usd - strict.cost_usd);
    }
    for (const Report& report : rehearsed.reports) {
        out += shortened(fmt::format("Limits with {}", name(report.routing)), exhaustion(report));
        out += shortened(fmt::format("Busiest targets with {}", name(report.routing)),
                         busiest(report));
    }
    return out;
}

std::string rehearsal_json(const Rehearsed& rehearsed) {
    json::array reports;
    for (const Report& report : rehearsed.reports) reports.push_back(to_json(report));
    json::object out{{"begin", base::rfc3339(rehearsed.begin)},
                     {"end", base::rfc3339(rehearsed.end)},
                     {"reports", std::move(reports)}};
    if (const auto more = more_free(rehearsed)) out["more_served_free"] = *more;
    return base::plain_numbers(json::serialize(out)) + "\n";
}

}  // namespace app
