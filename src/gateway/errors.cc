#include "gateway/errors.h"

#include "base/plain_numbers.h"
#include "base/units.h"
#include "route/consequences.h"

#include <fmt/format.h>
#include <boost/json.hpp>

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
    return base::plain_numbers(json::serialize(body));
}

namespace {

std::string describe(const Step& step) {
    if (step.skip != Skip::none)
        return fmt::format("{}: skipped ({}{}{})", step.alias, route::name(step.skip),
                           step.detail.empty() ? "" : ": ", step.detail);
    std::string text = fmt::format("{}: {}", step.alias, llm::name(step.outcome));
    if (step.status != 0) text += fmt::format(" (status {})", step.status);
    if (!step.detail.empty()) text += ": " + step.detail;
    return text;
}

/// One answer that ended the chain, or the only call there was.
ClientError single(const Step& step) {
    const route::Consequence& row = route::consequence(step.outcome);
    ClientError error{row.status, describe(step), std::string(row.type), std::string(row.code), {},
                      {}};
    const bool clients_fault =
        row.status == 400 && (step.status == 400 || step.status == 413 || step.status == 422);
    if (clients_fault) error.status = step.status;
    if (row.quota || row.worth_waiting) error.retry_after = step.back_in;
    return error;
}

bool waits_for_quota(const Step& step) {
    const bool waits =
        step.skip == Skip::none || step.skip == Skip::benched || step.skip == Skip::quota;
    return waits && route::consequence(step.outcome).quota;
}

/// Skipped for what it is, not for what happened to it.
bool cannot_serve(const Step& step) {
    return step.skip == Skip::no_key || step.skip == Skip::mode || step.skip == Skip::capability ||
           step.skip == Skip::unsupported || step.skip == Skip::context ||
           (step.skip == Skip::quota && step.outcome == Outcome::too_large);
}

/// What the steps of a failed request have in common.
struct Tally {
    explicit Tally(const route::Record& record) {
        for (const Step& step : record.steps) {
            trail += (trail.empty() ? "" : "; ") + describe(step);
            if (step.skip == Skip::none) last_call = &step;
            if (!cannot_serve(step)) relevant.push_back(&step);
            full = full || step.skip == Skip::concurrency || step.skip == Skip::device;
            const route::Consequence& row = route::consequence(step.outcome);
            const bool pulling = step.skip == Skip::pulling;
            const bool waits = step.back_in && (row.quota || row.worth_waiting || pulling);
            if (waits && (!soonest || *step.back_in < *soonest)) soonest = step.back_in;
        }
    }

    template <class Test>
    bool all(const Test& test) const {
        return std::all_of(relevant.begin(), relevant.end(),
                           [&](const Step* step) { return test(*step); });
    }

    std::string trail;  ///< every step in words
    const Step* last_call = nullptr;
    std::vector<const Step*> relevant;      ///< without those that could not have served at all
    std::optional<base::Duration> soonest;  ///< first return worth waiting for
    bool full = false;                      ///< somebody was at max_parallel_requests
};

/// Nobody was asked because nobody is fit to be.
ClientError nobody_fits(const route::Record& record, const std::string& trail) {
    const auto any = [&](Skip skip) {
        return std::any_of(record.steps.begin(), record.steps.end(),
                           [skip](const Step& s) { return s.skip == skip; });
    };
    if (any(Skip::no_key))
        return {503,
                fmt::format("Nobody behind {} has its key. {}", record.asked, trail),
                "server_error",
                "no_key",
                {},
                {}};
    if (any(Skip::quota))
        return {413,
                fmt::format("This request is larger than every limit behind {} allows. {}",
                            record.asked, trail),
                "invalid_request_error",
                "context_length_exceeded",
                {},
                {}};
    return {400,
            fmt::format("No model behind {} can serve this request. {}", record.asked, trail),
            "invalid_request_error",
            any(Skip::context) ? "context_length_exceeded" : "unsupported_request",
            {},
            {}};
}

}  // namespace

ClientError chain_error(const route::Record& record, bool deadline_passed) {
    const Tally tally(record);
    if (deadline_passed)
        return {504,
                "The time for this request is over. " + tally.trail,
                "server_error",
                "deadline_exceeded",
                {},
                {}};
    if (tally.last_call && !route::consequence(tally.last_call->outcome).move_on)
        return single(*tally.last_call);
    if (tally.relevant.empty()) return nobody_fits(record, tally.trail);
    if (record.steps.size() == 1 && tally.last_call) return single(*tally.last_call);
    if (record.steps.size() == 1 && record.steps.front().skip == Skip::device)
        return single(record.steps.front());
    if (record.steps.size() == 1 && record.steps.front().skip == Skip::engine)
        return {503, describe(record.steps.front()), "server_error", "engine_failed", {}, {}};

    const std::string message =
        fmt::format("Nobody could serve {} now. {}{}", record.asked, tally.trail,
                    tally.soonest ? "; soonest return in " + base::human(*tally.soonest) : "");
    const auto ended = [](Outcome outcome) {
        return [outcome](const Step& s) { return s.skip == Skip::none && s.outcome == outcome; };
    };
    const auto fits_nobody = [&](const Step& s) {
        return ended(Outcome::too_large)(s) || ended(Outcome::context_overflow)(s);
    };
    if (tally.all(waits_for_quota))
        return {429, message, "rate_limit_error", "rate_limit_exceeded", {}, tally.soonest};
    if (tally.all(fits_nobody)) {
        const bool overflow = tally.relevant.back()->outcome == Outcome::context_overflow;
        return {overflow ? 400 : 413,      message, "invalid_request_error",
                "context_length_exceeded", {},      {}};
    }
    if (tally.all(ended(Outcome::unsupported)))
        return {400, message, "invalid_request_error", "unsupported_parameter", {}, {}};
    if (tally.all([](const Step& s) { return s.skip == Skip::pulling; }))
        return {503, message, "server_error", "model_pulling", {}, tally.soonest};
    if (tally.all(ended(Outcome::timeout)))
        return {504, message, "server_error", "upstream_timeout", {}, {}};
    if (tally.soonest || tally.full)
        return {503, message, "server_error", "all_targets_failed", {}, tally.soonest};
    return {502, message, "server_error", "all_targets_failed", {}, {}};
}

}  // namespace gateway
