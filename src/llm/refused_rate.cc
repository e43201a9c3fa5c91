#include "llm/refused_rate.h"

#include "llm/axis.h"
#include "llm/hints.h"
#include "llm/rates.h"

#include <algorithm>
#include <string>

namespace llm {
namespace {

using base::Metric;
using base::Provider;
using std::string_view;

/// A later number of the same sentence, as Groq and OpenAI write it.
std::optional<double> figure(string_view text, string_view label) {
    std::optional<std::uint64_t> number = number_after(text, label);
    return number ? std::optional(static_cast<double>(*number)) : std::nullopt;
}

Rate rate_of(const Axis& axis) {
    Rate rate;
    rate.metric = axis.metric;
    rate.window = window_name(axis.window);
    return rate;
}

/// "… on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619."
std::optional<Rate> bucket_rate(const Complaint& c) {
    const std::optional<Axis> axis = axis_of_bucket(c.text);
    if (!axis) return std::nullopt;
    Rate rate = rate_of(*axis);
    const string_view numbers = string_view(c.text).substr(axis->end);
    rate.limit = figure(numbers, "limit");
    rate.used = figure(numbers, "used ");
    if (!rate.used) rate.used = figure(numbers, "current:");
    rate.requested = figure(numbers, "requested ");
    if (rate.limit == 0) rate.limit.reset();
    return rate;
}

/// "Requests per minute limit exceeded - too many requests sent."
std::optional<Rate> cerebras_rate(const Complaint& c) {
    const std::optional<Axis> axis = axis_at(c.text);
    return axis ? std::optional(rate_of(*axis)) : std::nullopt;
}

/// "limited to 20 API calls / minute", "rate limit of 20,000 input tokens per minute".
std::optional<Rate> counted_rate(const Complaint& c) {
    const std::optional<CountedAxis> counted = counted_axis(c.text);
    if (!counted || counted->count <= 0) return std::nullopt;
    Rate rate = rate_of(counted->axis);
    rate.limit = counted->count;
    return rate;
}

std::optional<Rate> cohere_rate(const Complaint& c) {
    if (std::optional<Rate> rate = counted_rate(c)) return rate;
    if (!c.says("per minute request limit")) return std::nullopt;
    return rate_of({Metric::requests, Window::minute});
}

/// The body quotes the headers: the reset is epoch ms in a string.
std::optional<Rate> free_pool_rate(const Case& refusal, const Failure& failure) {
    if (failure.pool != kOpenRouterFree) return std::nullopt;
    RateReader reader(Provider::openrouter, refusal.now);
    const Complaint& c = refusal.complaint;
    reader.header("x-ratelimit-limit", c.limit);
    reader.header("x-ratelimit-reset", c.reset);
    for (const Header& header : refusal.reply.headers) reader.header(header.name, header.value);
    std::vector<Rate> read = reader.rates();
    Rate rate = read.empty() ? Rate{} : read.front();
    if (!rate.reset_in) rate.reset_in = base::parse_return(c.reset, refusal.now);
    rate.window = window_name(failure.window);
    rate.pool = failure.pool;
    return rate;
}

/// A share of a plan: 1 where the refusal says that it is all used up.
std::optional<Rate> plan_rate(const Case& refusal, const Failure& failure) {
    const string_view window = plan_window(refusal);
    if (window.empty() || failure.scope != Scope::account) return std::nullopt;
    Rate rate;
    rate.metric = Metric::utilization;
    rate.window = window;
    rate.limit = rate.used = 1;
    rate.reset_in = prose_reset_date(refusal.complaint.message, refusal.now);
    return rate;
}

/// Of two rejected windows the longer one keeps the caller out.
std::optional<Rate> rejected_plan(const Case& refusal) {
    std::optional<Rate> rejected;
    for (Rate& rate : header_rates(Provider::anthropic, refusal.reply, refusal.now))
        if (rate.refused && (!rejected || rate.window == "7d")) rejected = std::move(rate);
    return rejected;
}

std::optional<Rate> named_rate(Provider provider, const Case& refusal, const Failure& failure) {
    const Complaint& c = refusal.complaint;
    switch (provider) {
        case Provider::groq:
        case Provider::openai: return bucket_rate(c);
        case Provider::cerebras: return cerebras_rate(c);
        case Provider::cohere: return cohere_rate(c);
        case Provider::openrouter: return free_pool_rate(refusal, failure);
        case Provider::anthropic: {
            std::optional<Rate> plan = rejected_plan(refusal);
            if (!plan) plan = plan_rate(refusal, failure);  // z.ai's
            return plan ? plan : counted_rate(c);
        }
        case Provider::huggingface: {
            if (c.status != 402) return std::nullopt;
            Rate credit = rate_of({Metric::usd, Window::month});
            credit.pool = "huggingface-router";
            return credit;
        }
        case Provider::openai_compatible: {
            std::optional<Rate> plan = plan_rate(refusal, failure);
            return plan ? plan : bucket_rate(c);
        }
        case Provider::mistral:
        case Provider::ollama: return std::nullopt;
    }
    return std::nullopt;
}

/// Several empty buckets of one window: nobody says which of them refused.
std::optional<Rate> only_empty_rate(Provider provider, const Case& refusal, Window window) {
    std::optional<Rate> only;
    for (Rate& rate : empty_rates(provider, refusal)) {
        if (window == Window::none || window_named(rate.window) != window) continue;
        if (only) return std::nullopt;
        only = std::move(rate);
    }
    return only;
}

}  // namespace

std::vector<Rate> empty_rates(Provider provider, const Case& refusal) {
    if (refusal.complaint.status != 429 || !refusal.complaint.provider_name.empty()) return {};
    std::vector<Rate> rates = header_rates(provider, refusal.reply, refusal.now);
    std::erase_if(rates, [](const Rate& rate) { return !rate.remaining || *rate.remaining > 0; });
    return rates;
}

string_view plan_window(const Case& refusal) {
    const Complaint& c = refusal.complaint;
    const bool plan = c.code == "1308" || c.code == "1310" || c.says("usage limit reached") ||
                      c.says("weekly limit") || c.says("5-hour limit");
    if (!plan) return {};
    const bool week = c.says("week") || c.says("7 day");
    const bool month = c.says("month");
    if (week && month) {  // "Weekly/Monthly Limit Exhausted": only the date tells
        const std::optional<base::Duration> reset = prose_reset_date(c.message, refusal.now);
        return reset && *reset > std::chrono::days(7) ? "month" : "7d";
    }
    if (week) return "7d";
    if (month) return "month";
    if (c.says("1 day") || c.says("daily")) return "day";
    if (c.says("5 hour") || c.says("5-hour")) return "5h";
    if (c.says("hour")) return "hour";
    if (c.code == "1310") return "7d";
    return c.code == "1308" ? "5h" : "";
}

std::optional<Rate> refused_rate(Provider provider, const Case& refusal, const Failure& failure) {
    if (failure.outcome == Outcome::too_large) {
        std::optional<Rate> rate = bucket_rate(refusal.complaint);
        if (!rate || !rate->limit) return std::nullopt;
        rate->used.reset();
        rate->requested.reset();
        return rate;
    }
    if (failure.outcome != Outcome::rate_limited && failure.outcome != Outcome::exhausted)
        return std::nullopt;
    std::optional<Rate> rate = named_rate(provider, refusal, failure);
    if (!rate) rate = only_empty_rate(provider, refusal, failure.window);
    if (!rate || window_named(rate->window) != failure.window) return std::nullopt;
    rate->refused = true;
    return rate;
}

}  // namespace llm
