#include "llm/classify.h"

#include "llm/axis.h"
#include "llm/hints.h"
#include "llm/json.h"
#include "llm/providers/refine.h"
#include "llm/redact.h"
#include "llm/refused_rate.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

constexpr auto kEverybody = std::to_array<Rule>({
    // This request is too much for the model.
    {400, 500, "context_length_exceeded", Outcome::context_overflow, Scope::request},
    {400, 500, "exceed_context_size", Outcome::context_overflow, Scope::request},
    {400, 422, "context length", Outcome::context_overflow, Scope::request},
    {400, 422, "context window", Outcome::context_overflow, Scope::request},
    {400, 500, "context size", Outcome::context_overflow, Scope::request},
    {400, 422, "prompt is too long", Outcome::context_overflow, Scope::request},
    {400, 422, "prompt too long", Outcome::context_overflow, Scope::request},
    {400, 422, "input is too long", Outcome::context_overflow, Scope::request},
    {400, 422, "too many tokens", Outcome::context_overflow, Scope::request},
    {400, 422, "exceeds max length", Outcome::context_overflow, Scope::request},
    {400, 422, "maximum prompt length", Outcome::context_overflow, Scope::request},
    {400, 422, "maximum number of tokens", Outcome::context_overflow, Scope::request},
    {400, 422, "`inputs` must have less than", Outcome::context_overflow, Scope::request},
    {400, 422, "`inputs` tokens + `max_new_tokens`", Outcome::context_overflow, Scope::request},
    {400, 429, "request too large", Outcome::too_large, Scope::request},
    {413, 413, "", Outcome::too_large, Scope::request},
    // A member that this target does not know, in so many words.
    {400, 422, "unknown_parameter", Outcome::unsupported, Scope::request},
    {400, 422, "unsupported_parameter", Outcome::unsupported, Scope::request},
    // A refusal of the content.
    {400, 422, "content_policy", Outcome::content_filtered, Scope::request},
    {400, 422, "content policy", Outcome::content_filtered, Scope::request},
    {400, 422, "content_filter", Outcome::content_filtered, Scope::request},
    {400, 422, "content management policy", Outcome::content_filtered, Scope::request},
    {400, 422, "moderation", Outcome::content_filtered, Scope::request},
    {400, 422, "safety system", Outcome::content_filtered, Scope::request},
    // Money.
    {400, 429, "credit balance", Outcome::exhausted, Scope::account},
    {400, 429, "insufficient_quota", Outcome::exhausted, Scope::account},
    {400, 429, "exceeded your current quota", Outcome::exhausted, Scope::account},
    {400, 429, "billing_", Outcome::exhausted, Scope::account},
    {400, 429, "insufficient credits", Outcome::exhausted, Scope::account},
    {400, 429, "insufficient balance", Outcome::exhausted, Scope::account},
    {402, 402, "", Outcome::exhausted, Scope::account},
    // Our key.
    {400, 400, "invalid_api_key", Outcome::unauthorized, Scope::account},
    {400, 400, "api key not valid", Outcome::unauthorized, Scope::account},
    {401, 401, "", Outcome::unauthorized, Scope::account},
    {403, 403, "", Outcome::unauthorized, Scope::account},
    // The model.
    {400, 422, "model_not_found", Outcome::gone, Scope::target},
    {400, 422, "model not found", Outcome::gone, Scope::target},
    {400, 422, "model_deprecated", Outcome::gone, Scope::target},
    {400, 422, "decommission", Outcome::gone, Scope::target},
    {400, 422, "no longer available", Outcome::gone, Scope::target},
    {400, 422, "end of life", Outcome::gone, Scope::target},
    {400, 422, "no endpoints found", Outcome::gone, Scope::target},
    {400, 422, "unknown model", Outcome::gone, Scope::target},
    {400, 422, "invalid_model", Outcome::gone, Scope::target},
    {400, 422, "invalid model", Outcome::gone, Scope::target},
    {404, 404, "", Outcome::gone, Scope::target},
    {405, 405, "", Outcome::gone, Scope::target},
    {410, 410, "", Outcome::gone, Scope::target},
    // A member that this target does not know.
    {400, 422, "unsupported", Outcome::unsupported, Scope::request},
    {400, 422, "wrong_api_format", Outcome::unsupported, Scope::request},
    {400, 422, "extra_forbidden", Outcome::unsupported, Scope::request},
    {400, 422, "extra inputs are not permitted", Outcome::unsupported, Scope::request},
    {400, 422, "unknown parameter", Outcome::unsupported, Scope::request},
    {400, 422, "unrecognized request argument", Outcome::unsupported, Scope::request},
    {400, 422, "not supported", Outcome::unsupported, Scope::request},
    {400, 422, "does not support", Outcome::unsupported, Scope::request},
    // Too many at once.
    {409, 409, "", Outcome::busy, Scope::target},
    {429, 429, "concurren", Outcome::busy, Scope::target},
    {429, 503, "overloaded", Outcome::busy, Scope::target},
    {429, 503, "high traffic", Outcome::busy, Scope::target},
    {429, 503, "at capacity", Outcome::busy, Scope::target},
    {429, 503, "slow down", Outcome::busy, Scope::target},
    {503, 503, "busy", Outcome::busy, Scope::target},
    {503, 503, "maximum pending requests", Outcome::busy, Scope::target},
    // A local engine whose memory others hold at the moment.
    {500, 503, "out of memory", Outcome::busy, Scope::target},
    {500, 503, "requires more system memory", Outcome::busy, Scope::target},
    {529, 529, "", Outcome::busy, Scope::target},
    // The rest by status.
    {300, 399, "", Outcome::transient, Scope::target},
    {400, 400, "", Outcome::bad_request, Scope::request},
    {408, 408, "", Outcome::timeout, Scope::target},
    {504, 504, "", Outcome::timeout, Scope::target},
    {424, 425, "", Outcome::transient, Scope::target},
    {429, 429, "", Outcome::rate_limited, Scope::target},
    {498, 499, "", Outcome::transient, Scope::target},
    {500, 599, "", Outcome::transient, Scope::target},
    {400, 499, "", Outcome::bad_request, Scope::request},
});

struct TypeStatus {
    string_view says;
    int status;
};
/// Errors inside a 200 often carry no number; their type stands for one.
constexpr auto kTypes = std::to_array<TypeStatus>({
    {"rate_limit", 429},     {"insufficient_quota", 402}, {"billing", 402},
    {"overloaded", 529},     {"authentication", 401},     {"invalid_api_key", 401},
    {"permission", 403},     {"not_found", 404},          {"too_large", 413},
    {"context_length", 400}, {"tool_use_failed", 400},    {"invalid_request", 400},
    {"timeout", 504},        {"capacity", 503},           {"unavailable", 503},
    {"quota", 429},          {"api_error", 500},          {"server_error", 500},
    {"internal", 500},
});

int status_of_type(const Complaint& c) {
    for (const TypeStatus& entry : kTypes)
        if (base::icontains(c.type, entry.says) || base::icontains(c.code, entry.says))
            return entry.status;
    return 0;
}

/// The member that an `unsupported` speaks of: named by the body, else quoted in its text.
std::string rejected_member(const Complaint& c) {
    bool named = !c.param.empty() && c.param != "validation_error" && c.param != "body";
    if (named) return c.param;
    for (char quote : {'\'', '`', '"'}) {
        std::size_t begin = c.message.find(quote);
        if (begin == std::string::npos) continue;
        std::size_t end = c.message.find(quote, begin + 1);
        if (end == std::string::npos || end - begin > 80 || end == begin + 1) continue;
        return c.message.substr(begin + 1, end - begin - 1);
    }
    constexpr string_view kArgument = "argument supplied: ";
    std::size_t at = c.message.find(kArgument);
    if (at == std::string::npos) return {};
    string_view rest = string_view(c.message).substr(at + kArgument.size());
    return std::string(rest.substr(0, rest.find_first_of(" ,.\n")));
}

/// The emptied bucket that returns last, among those of the window that the refusal named.
/// Buckets that still hold something are nobody's cause, nor are those of another window.
void add_empty_bucket(const std::vector<Rate>& empty, Failure& failure) {
    auto reset = [](const Rate& rate) { return rate.reset_in.value_or(base::Duration(0)); };
    const Rate* last = nullptr;
    for (const Rate& rate : empty) {
        const Window window = window_named(rate.window);
        const bool unplaced = window == Window::none && !rate.reset_in;
        const bool other =
            failure.window != Window::none && window != failure.window && window != Window::none;
        if (unplaced || other) continue;
        if (!last || reset(*last) < reset(rate)) last = &rate;
    }
    if (!last) return;
    if (failure.window == Window::none && window_named(last->window) != Window::none)
        set_window(failure, window_named(last->window));
    if (reset(*last) > base::Duration(0)) at_least(failure.back_in, reset(*last));
}

void add_returns(const Case& refusal, base::Provider provider, Failure& failure) {
    bool quota = failure.outcome == Outcome::rate_limited || failure.outcome == Outcome::exhausted;
    if (!quota && failure.outcome != Outcome::busy && failure.outcome != Outcome::transient) return;
    const Complaint& c = refusal.complaint;
    std::optional<base::Duration> prose = prose_duration(c.message);
    std::optional<base::Duration> header = retry_after(refusal.reply, refusal.now);
    at_least(failure.back_in, header);
    at_least(failure.back_in, base::parse_return(c.retry_after, refusal.now));
    at_least(failure.back_in, prose);
    // Groq's reset headers say when a bucket is full again: its own words are better.
    bool full_again = provider == base::Provider::groq && (prose || header);
    bool money = failure.outcome == Outcome::exhausted && failure.window == Window::none;
    if (quota && !full_again && !money) add_empty_bucket(empty_rates(provider, refusal), failure);
}

std::string detail(const Complaint& c) {
    std::string text = c.message;
    if (!c.raw.empty() && c.raw != c.message) text += ": " + c.raw;
    if (text.empty()) text = c.code.empty() ? c.type : c.code;
    if (text.empty())
        text = c.status > 0 ? fmt::format("status {} without a text", c.status)
                            : "an error without a text";
    return redact(text);
}

Failure judge(base::Provider provider, const Case& refusal) {
    const Complaint& c = refusal.complaint;
    Failure failure;
    bool challenge = c.html && (c.status == 403 || c.status == 401);
    if (challenge) {
        failure.scope = Scope::target;
    } else if (!providers::refine(provider)(refusal, failure) && !apply(kEverybody, c, failure)) {
        failure = {.outcome = Outcome::malformed, .scope = Scope::request};
    }
    if (failure.outcome == Outcome::rate_limited && failure.window == Window::none)
        set_window(failure, prose_window(c.text));
    if (failure.outcome == Outcome::unsupported) failure.parameter = rejected_member(c);
    add_returns(refusal, provider, failure);
    failure.rate = refused_rate(provider, refusal, failure);
    failure.detail = detail(c);
    return failure;
}

}  // namespace

bool apply(std::span<const Rule> rules, const Complaint& complaint, Failure& failure) {
    for (const Rule& rule : rules) {
        bool status = complaint.status >= rule.from && complaint.status <= rule.to;
        if (!status || (!rule.says.empty() && !complaint.says(rule.says))) continue;
        failure = {.outcome = rule.outcome, .scope = rule.scope};
        if (rule.back_in_seconds > 0) failure.back_in = std::chrono::seconds(rule.back_in_seconds);
        return true;
    }
    return false;
}

void set_window(Failure& failure, Window window) {
    bool minute = window == Window::minute || window == Window::none;
    failure.window = window;
    failure.outcome = minute ? Outcome::rate_limited : Outcome::exhausted;
}

bool bucket_refusal(const Case& refusal, Failure& failure) {
    const Complaint& c = refusal.complaint;
    if (c.status != 429) return false;
    std::optional<std::uint64_t> limit = number_after(c.message, "Limit ");
    std::optional<std::uint64_t> requested = number_after(c.message, "Requested ");
    if (c.says("request too large") || (limit && requested && *requested > *limit)) {
        failure = {.outcome = Outcome::too_large, .scope = Scope::request};
        return true;
    }
    // The rest of the text may speak of other windows.
    const std::optional<Axis> axis = axis_of_bucket(c.text);
    if (!axis || !c.says("rate limit")) return false;
    failure.scope = Scope::target;
    set_window(failure, axis->window);
    return true;
}

Failure classify(base::Provider provider, const Reply& reply, base::WallTime now) {
    Complaint complaint = read_complaint(reply.status, reply.body);
    Failure failure = judge(provider, {complaint, reply, now});
    failure.status = reply.status;
    return failure;
}

Failure classify_embedded(base::Provider provider, string_view error_json, base::WallTime now) {
    Complaint complaint = read_complaint(0, error_json);
    if (complaint.status == 0) complaint.status = status_of_type(complaint);
    static const std::vector<Header> kNoHeaders;
    Reply reply{.status = complaint.status, .headers = kNoHeaders, .body = error_json};
    Failure failure = judge(provider, {complaint, reply, now});
    failure.status = 200;
    return failure;
}

}  // namespace llm
