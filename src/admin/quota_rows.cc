#include "admin/quota_rows.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace admin {

namespace json = boost::json;

namespace {

constexpr int kCells = 10;

std::string text(const json::object& row, std::string_view member) {
    const json::value* value = row.if_contains(json::string_view(member.data(), member.size()));
    if (!value || !value->is_string()) return {};
    return std::string(std::string_view(value->get_string()));
}

std::optional<double> number(const json::object& row, std::string_view member) {
    const json::value* value = row.if_contains(json::string_view(member.data(), member.size()));
    if (!value || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

std::optional<base::Duration> span(const json::object& row, std::string_view member) {
    const auto seconds = number(row, member);
    if (!seconds) return std::nullopt;
    return base::Duration(static_cast<base::Duration::rep>(std::clamp(*seconds, 0.0, 1e10) * 1e3));
}

struct Place {
    std::string group;
    std::string limit;
    auto operator<=>(const Place&) const = default;
};

/// Where people look for a limit: `groq:GROQ_API_KEY/llama` stands under `groq:GROQ_API_KEY`
/// as `llama`.
Place place_of(const json::object& row) {
    const std::string scope = text(row, "scope");
    std::string name = text(row, "name");
    if (scope == "account" || scope == "provider") return {std::move(name), "(" + scope + ")"};
    if (scope == "model")
        if (const auto slash = name.find('/'); slash != std::string::npos)
            return {name.substr(0, slash), name.substr(slash + 1)};
    if (scope == "pool")
        if (const auto at = name.rfind('@'); at != std::string::npos)
            return {name.substr(at + 1), name.substr(0, at) + " (pool)"};
    return {scope + "s", std::move(name)};
}

std::string what_counts(const json::object& row) {
    std::string label = text(row, "metric");
    const std::string window = text(row, "reset") == "lifetime" ? "lifetime" : text(row, "window");
    if (!window.empty()) label += '/' + window;
    const json::value* advisory = row.if_contains("advisory");
    if (advisory && advisory->is_bool() && advisory->get_bool()) label += " (advisory)";
    return label;
}

std::string left(const json::object& row) {
    const auto ceiling = number(row, "ceiling");
    if (!ceiling) return fmt::format("unknown, {} used", figure(number(row, "used").value_or(0)));
    const std::string metric = text(row, "metric");
    const bool whole = metric != "usd" && metric != "utilization";
    const double remaining = number(row, "remaining").value_or(0);
    return figure(whole ? std::floor(remaining + 1e-6) : remaining) + '/' + figure(*ceiling);
}

std::string gauge(const json::object& row, Drawing drawing) {
    const auto ceiling = number(row, "ceiling");
    const auto remaining = number(row, "remaining");
    if (!ceiling || !remaining) return {};
    return bar(*ceiling > 0 ? *remaining / *ceiling : 0, drawing);
}

/// When something can be taken again, else when all of it is back.
std::string returns(const json::object& row) {
    const auto back = span(row, "back_in_s");
    if (back && back->count() > 0) return "in " + base::human(*back);
    if (!number(row, "ceiling")) return "-";
    const auto whole = span(row, "whole_in_s");
    if (!back || !whole) return "never";
    return whole->count() > 0 ? "whole in " + base::human(*whole) : "-";
}

std::string runs_out(const json::object& row) {
    const auto left = span(row, "runs_out_in_s");
    if (!left) return "-";
    return left->count() > 0 ? "in " + base::human(*left) : "now";
}

std::string source(const json::object& row) {
    const std::string source = text(row, "source");
    const auto age = span(row, "age_s");
    const bool dated = age && source != "configured";
    return dated ? source + ", " + base::human(*age) + " ago" : source;
}

}  // namespace

std::string bar(double share, Drawing drawing) {
    const int filled =
        share > 0
            ? std::clamp(static_cast<int>(std::lround(std::min(share, 1.0) * kCells)), 1, kCells)
            : 0;
    std::string out;
    for (int cell = 0; cell < kCells; ++cell)
        if (drawing == Drawing::blocks)
            out += cell < filled ? "█" : "░";
        else
            out += cell < filled ? '#' : '.';
    return out;
}

std::string figure(double value) {
    if (!std::isfinite(value)) return "unknown";
    const double size = std::abs(value);
    const int decimals = size >= 100 ? 0 : size >= 1 ? 2 : 4;
    const double scale = std::pow(10, decimals);
    std::string digits = fmt::format("{:.{}f}", std::floor(value * scale + 1e-6) / scale, decimals);
    if (decimals > 0) {
        digits.erase(digits.find_last_not_of('0') + 1);
        if (digits.back() == '.') digits.pop_back();
    }
    const std::size_t first = digits.starts_with('-') ? 1 : 0;
    for (std::size_t at = std::min(digits.find('.'), digits.size()); at > first + 3; at -= 3)
        digits.insert(at - 3, ",");
    return digits;
}

std::vector<std::vector<std::string>> quota_rows(const json::array& limits, Drawing drawing) {
    std::multimap<Place, const json::object*> sorted;
    for (const json::value& value : limits)
        if (const json::object* row = value.if_object()) sorted.emplace(place_of(*row), row);
    std::vector<std::vector<std::string>> rows{
        {"LIMIT", "METRIC/WINDOW", "", "LEFT/CEILING", "RETURNS", "RUNS OUT", "SOURCE"}};
    std::string group;
    for (const auto& [place, row] : sorted) {
        if (rows.size() == 1 || place.group != group) rows.push_back({place.group});
        group = place.group;
        rows.push_back({"  " + place.limit, what_counts(*row), gauge(*row, drawing), left(*row),
                        returns(*row), runs_out(*row), source(*row)});
    }
    return rows;
}

}  // namespace admin
