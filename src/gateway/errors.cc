#include "gateway/errors.h"

#include "base/units.h"
#include "route/consequences.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace gateway {

namespace json = boost::json;
using llm::Outcome;
using route::Skip;
using route::Step;

std::string error_body(const ClientError& error, const route::Record* record) {
    json::object inner;
    inner["message"] = error.message;
    inner["type"] = error.type;
    inner["param"] = error.param.empty() ? json::value(nullptr) : json::value(error.param);
    inner["code"] = error.code.empty() ? json::value(nullptr) : json::value(error.code);
    if (error.retry_after) inner["retry_after"] = (error.retry_after->count() + 999) / 1000;
    if (record && !record->steps.empty()) {
        json::array attempts;
        for (const Step& step : record->steps) attempts.push_back(route::to_json(step));
        inner["attempts"] = std::move(attempts);
    }
    json::object body;
    body["error"] = std::move(inner);
    return json::serialize(body);
}

namespace {

std::string describe(const Step& step) {
    if (step.skip != Skip::none)
        return fmt::format("{}: skipped ({}{}{})", step.alias, route::name(step.skip), step.detail.empty() ? "" : ": ",
                           step.detail);
    std::string text = fmt::format("{}: {}", step.alias, llm::name(step.outcome));
    if (step.status != 0) text += fmt::format(" (status {})", step.status);
    if (!step.detail.empty()) text += ": " + step.detail;
    return text;
}

/// One answer that ended the chain, or the only call there was.
ClientError single(const Step& step) {
    const route::Consequence& row = route::consequence(step.outcome);
    ClientError error{row.status, describe(step), std::string(row.type), std::string(row.code), {}, {}};
    const bool clients_fault = row.status == 400 && (step.status == 400 || step.status == 413 || step.status == 422);
    if (clients_fault) error.status = step.status;
    if (row.quota || row.worth_waiting) error.retry_after = step.back_in;
    return error;
}

bool waits_for_quota(const Step& step) {
    return (step.skip == Skip::none || step.skip == Skip::benched) && route::consequence(step.outcome).quota;
}

bool about_request(const Step& step) {
    return step.skip == Skip::mode || step.skip == Skip::capability || step.skip == Skip::unsupported ||
           step.skip == Skip::context;
}

}  // namespace

ClientError chain_error(const route::Record& record, bool deadline_passed) {
    const auto& steps = record.steps;
    std::string trail;
    std::optional<base::Duration> soonest;
    for (const Step& step : steps) {
        trail += (trail.empty() ? "" : "; ") + describe(step);
        if (step.back_in && (!soonest || *step.back_in < *soonest)) soonest = step.back_in;
    }
    if (deadline_passed)
        return {504, "The time for this request is over. " + trail, "server_error", "deadline_exceeded", {}, {}};

    std::vector<const Step*> calls;
    std::vector<const Step*> relevant;
    for (const Step& step : steps) {
        if (step.skip == Skip::none) calls.push_back(&step);
        if (!about_request(step)) relevant.push_back(&step);
    }
    if (!calls.empty() && !route::consequence(calls.back()->outcome).move_on) return single(*calls.back());
    if (relevant.empty()) {
        const bool size = std::any_of(steps.begin(), steps.end(), [](const Step& s) { return s.skip == Skip::context; });
        return {400, fmt::format("No model behind {} can serve this request. {}", record.asked, trail),
                "invalid_request_error", size ? "context_length_exceeded" : "unsupported_request", {}, {}};
    }
    const auto all = [&](auto&& test) {
        return std::all_of(relevant.begin(), relevant.end(), [&](const Step* s) { return test(*s); });
    };
    if (relevant.size() == 1 && steps.size() == 1 && relevant[0]->skip == Skip::none) return single(*relevant[0]);
    const std::string message = fmt::format("Nobody could serve {} now. {}{}", record.asked, trail,
                                            soonest ? "; soonest return in " + base::human(*soonest) : "");
    if (all(waits_for_quota)) return {429, message, "rate_limit_error", "rate_limit_exceeded", {}, soonest};
    const auto fits_nobody = [](const Step& s) {
        return s.skip == Skip::none && (s.outcome == Outcome::too_large || s.outcome == Outcome::context_overflow);
    };
    if (all(fits_nobody)) {
        const bool overflow = relevant.back()->outcome == Outcome::context_overflow;
        return {overflow ? 400 : 413, message, "invalid_request_error", "context_length_exceeded", {}, {}};
    }
    if (all([](const Step& s) { return s.skip == Skip::none && s.outcome == Outcome::unsupported; }))
        return {400, message, "invalid_request_error", "unsupported_parameter", {}, {}};
    if (all([](const Step& s) { return s.skip == Skip::none && s.outcome == Outcome::timeout; }))
        return {504, message, "server_error", "upstream_timeout", {}, {}};
    if (soonest) return {503, message, "server_error", "all_targets_failed", {}, soonest};
    return {502, message, "server_error", "all_targets_failed", {}, {}};
}

}  // namespace gateway
