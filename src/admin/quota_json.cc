#include "admin/quota_json.h"

#include "base/units.h"

#include <algorithm>
#include <cmath>

namespace admin {

namespace json = boost::json;

namespace {

using quota::Ledger;

/// Whole numbers up to here are exact in a double.
constexpr double kMostUnits = 1e15;
constexpr double kFinest = 1e9;  ///< a billionth of a dollar is less than any token costs

json::value number(double value) {
    if (!std::isfinite(value)) return nullptr;
    if (std::abs(value) > kMostUnits) return value;
    if (value == std::trunc(value)) return static_cast<std::int64_t>(value);
    if (std::abs(value) > kMostUnits / kFinest) return value;
    return std::round(value * kFinest) / kFinest;
}

json::value number(const std::optional<double>& value) { return value ? number(*value) : nullptr; }

json::value seconds(const std::optional<base::Duration>& span) {
    return span ? number(static_cast<double>(std::max<base::Duration::rep>(0, span->count())) / 1e3)
                : nullptr;
}

/// Since the figure was learned; a limit that nobody dated has no age.
std::optional<base::Duration> age(base::WallTime at, base::WallTime now) {
    if (at == base::WallTime{}) return std::nullopt;
    return std::chrono::duration_cast<base::Duration>(now - at);
}

std::unexpected<gateway::ClientError> bad(std::string message, std::string member) {
    return std::unexpected(gateway::ClientError{
        400, std::move(message), "invalid_request_error", "bad_request", std::move(member), {}});
}

std::string_view type_of(const json::value& value) {
    if (value.is_number()) return "number";
    if (value.is_bool()) return "boolean";
    return json::to_string(value.kind());
}

/// The object of a body and its `what`.
std::expected<json::object, gateway::ClientError> read_object(std::string_view body,
                                                              std::string_view example) {
    const std::string cure = " Send " + std::string(example) + ".";
    boost::system::error_code error;
    json::value value = json::parse(json::string_view(body.data(), body.size()), error);
    if (error) return bad("The body is not JSON: " + error.message() + "." + cure, {});
    if (!value.is_object())
        return bad("The body must be an object, not " + std::string(type_of(value)) + "." + cure,
                   {});
    const json::value* what = value.get_object().if_contains("what");
    if (!what) return bad("`what` is missing: the limits that are meant." + cure, "what");
    if (!what->is_string())
        return bad("`what` must be a string, not " + std::string(type_of(*what)) + "." + cure,
                   "what");
    if (what->get_string().empty())
        return bad("`what` is empty. Name a limit's key, a scope, an alias, or \"all\".", "what");
    return std::move(value.get_object());
}

std::string what_of(const json::object& object) {
    return std::string(std::string_view(object.at("what").get_string()));
}

}  // namespace

json::object to_json(const quota::Line& line, base::Now now) {
    json::object row;
    row["limit"] = line.key;
    row["scope"] = line.scope;
    row["name"] = line.name;
    row["metric"] = base::name(line.rule.metric);
    row["window"] = line.rule.window;
    row["reset"] = quota::name(line.rule.reset);
    row["ceiling"] = number(line.limit);
    row["used"] = number(line.used);
    row["held"] = number(line.held);
    row["remaining"] = number(line.remaining);
    row["back_in_s"] = seconds(line.back_in);
    row["whole_in_s"] = seconds(line.whole_in);
    row["blocks"] = line.blocks;
    row["advisory"] = line.rule.advisory;
    row["source"] = quota::name(line.source);
    row["age_s"] = seconds(age(line.source_at, now.wall));
    row["ceiling_source"] = quota::name(line.limit_source);
    row["ceiling_age_s"] = seconds(age(line.limit_at, now.wall));
    row["rate_per_hour"] = number(line.rate * 3600);
    row["runs_out_in_s"] = seconds(line.runs_out_in);
    row["aliases"] = json::array(line.aliases.begin(), line.aliases.end());
    return row;
}

bool concerns(const quota::Line& line, std::string_view what) {
    return what == "all" || what == line.key || what == line.name ||
           std::ranges::find(line.aliases, what) != line.aliases.end();
}

ReadOrder read_reset(std::string_view body) {
    auto object = read_object(body, R"({"what": KEY|NAME|ALIAS|"all"})");
    if (!object) return std::unexpected(std::move(object).error());
    return QuotaOrder{what_of(*object), {Ledger::Setting::Kind::reset, 0}};
}

ReadOrder read_setting(std::string_view body) {
    auto object =
        read_object(body, R"({"what": KEY|NAME|ALIAS|"all", "used": N} (or "remaining"))");
    if (!object) return std::unexpected(std::move(object).error());
    const json::value* used = object->if_contains("used");
    const json::value* remaining = object->if_contains("remaining");
    if (used && remaining)
        return bad("`used` and `remaining` are both there. Send one of them.", "remaining");
    if (!used && !remaining)
        return bad("Neither `used` nor `remaining` is there. Send one of them, a number from 0.",
                   "used");
    const std::string member = used ? "used" : "remaining";
    const json::value& value = used ? *used : *remaining;
    if (!value.is_number())
        return bad('`' + member + "` must be a number from 0, not " + std::string(type_of(value)) +
                       ". Send it without quotes.",
                   member);
    const double amount = value.to_number<double>();
    if (!(amount >= 0 && amount <= kMostUnits))
        return bad('`' + member + "` must be a number from 0 to 1e15, in the limit's own unit.",
                   member);
    const auto kind = used ? Ledger::Setting::Kind::used : Ledger::Setting::Kind::remaining;
    return QuotaOrder{what_of(*object), {kind, amount}};
}

}  // namespace admin
