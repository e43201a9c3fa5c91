#include "llm/axis.h"
#include "llm/hints.h"
#include "llm/providers/refine.h"
#include "llm/refused_rate.h"

#include <array>

namespace llm::providers {
namespace {

constexpr auto kGroq = std::to_array<Rule>({
    {400, 400, "tool_use_failed", Outcome::malformed, Scope::request},
    {400, 400, "json_validate_failed", Outcome::malformed, Scope::request},
    {413, 413, "", Outcome::too_large, Scope::request},
    {498, 498, "", Outcome::busy, Scope::target},
});

constexpr auto kCerebras = std::to_array<Rule>({
    {429, 429, "queue_exceeded", Outcome::busy, Scope::target, 3},
    {429, 429, "high traffic", Outcome::busy, Scope::target, 3},
    {402, 402, "", Outcome::exhausted, Scope::account},
});

constexpr auto kHuggingFace = std::to_array<Rule>({
    {400, 400, "not supported by provider", Outcome::gone, Scope::target},
    {429, 429, "", Outcome::rate_limited, Scope::target, 60},
    {503, 503, "loading", Outcome::busy, Scope::target},
});

constexpr auto kCohere = std::to_array<Rule>({
    {498, 498, "", Outcome::content_filtered, Scope::request},
});

constexpr auto kAnthropic = std::to_array<Rule>({
    {529, 529, "", Outcome::busy, Scope::target, 15},
    {400, 400, "credit balance", Outcome::exhausted, Scope::account},
    // Thinking that another provider signed: the same conversation is good elsewhere.
    {400, 400, "invalid `signature`", Outcome::unsupported, Scope::request},
});

constexpr auto kOllama = std::to_array<Rule>({
    {503, 503, "", Outcome::busy, Scope::target},
    {400, 400, "does not support", Outcome::unsupported, Scope::request},
});

/// z.ai's codes arrive through pibox and through its own endpoints, OpenAI's and Anthropic's
/// protocol alike; status 0: inside a 200.
constexpr auto kZai = std::to_array<Rule>({
    {0, 599, "\n1302", Outcome::busy, Scope::account, 1},
    {0, 599, "\n1303", Outcome::rate_limited, Scope::target},
    {0, 599, "\n1305", Outcome::busy, Scope::target, 5},
    {0, 599, "\n1113", Outcome::exhausted, Scope::account},
    {0, 599, "\n1261", Outcome::context_overflow, Scope::request},
    {0, 599, "\n1000", Outcome::unauthorized, Scope::account},
    {0, 599, "\n1001", Outcome::unauthorized, Scope::account},
    {0, 599, "\n1002", Outcome::unauthorized, Scope::account},
    {0, 599, "\n1003", Outcome::unauthorized, Scope::account},
    {0, 599, "\n1004", Outcome::unauthorized, Scope::account},
});

constexpr auto kCompatible = std::to_array<Rule>({
    // A load that failed says so, whatever else it says.
    {503, 503, "load failed", Outcome::transient, Scope::target},
    // talkies: full or loading for a moment; half a download, for as long as nobody fetches it.
    {429, 429, "capacity", Outcome::busy, Scope::target},
    {503, 503, "loading", Outcome::busy, Scope::target},
    {503, 503, "weights", Outcome::gone, Scope::target},
    {409, 409, "", Outcome::busy, Scope::target},
    {429, 429, "busy", Outcome::busy, Scope::target},
    {503, 503, "generation is in progress", Outcome::busy, Scope::target},
    {503, 503, "busy", Outcome::busy, Scope::target},
});

}  // namespace

bool groq(const Case& refusal, Failure& failure) {
    return apply(kGroq, refusal.complaint, failure) || bucket_refusal(refusal, failure);
}

bool cerebras(const Case& refusal, Failure& failure) {
    const Complaint& c = refusal.complaint;
    if (c.param == "queue" && c.status == 429) {
        failure = {
            .outcome = Outcome::busy, .scope = Scope::target, .back_in = std::chrono::seconds(3)};
        return true;
    }
    if (c.status == 403 && !c.html) {
        failure = {.outcome = Outcome::exhausted, .scope = Scope::account};
        return true;
    }
    return apply(kCerebras, c, failure);
}

bool huggingface(const Case& refusal, Failure& failure) {
    if (refusal.complaint.status != 402) return apply(kHuggingFace, refusal.complaint, failure);
    failure = {.outcome = Outcome::exhausted,
               .scope = Scope::account,
               .back_in = until_next_utc_month(refusal.now),
               .window = Window::month};
    return true;
}

/// Two counters that fail in the same words apart from their window. The month's
/// belongs to the account; when it ends is taken to be the calendar's month.
bool cohere(const Case& refusal, Failure& failure) {
    if (apply(kCohere, refusal.complaint, failure)) return true;
    if (refusal.complaint.status != 429) return false;
    if (prose_window(refusal.complaint.text) == Window::month) {
        failure = {.outcome = Outcome::exhausted,
                   .scope = Scope::account,
                   .back_in = until_next_utc_month(refusal.now),
                   .window = Window::month};
        return true;
    }
    // The minute rolls: where Cohere says when the next call fits in, that is less than all of it.
    failure = {
        .outcome = Outcome::rate_limited,
        .scope = Scope::target,
        .back_in = retry_after(refusal.reply, refusal.now).value_or(std::chrono::seconds(60))};
    if (prose_window(refusal.complaint.text) == Window::minute) failure.window = Window::minute;
    return true;
}

/// z.ai's codes, and the windows of plans that are used up.
bool zai(const Case& refusal, Failure& failure) {
    const Complaint& c = refusal.complaint;
    if (apply(kZai, c, failure)) return true;
    const std::string_view plan = plan_window(refusal);
    if (plan.empty() && !c.says("usage limit reached")) return false;
    failure = {.outcome = Outcome::exhausted,
               .scope = Scope::account,
               .back_in = prose_reset_date(c.message, refusal.now),
               .window = plan.empty() ? Window::hour : window_named(plan)};
    return true;
}

/// Subscriptions count in windows of five hours and seven days.
bool anthropic(const Case& refusal, Failure& failure) {
    if (apply(kAnthropic, refusal.complaint, failure)) return true;
    if (refusal.reply.header("anthropic-ratelimit-unified-status") != "rejected")
        return zai(refusal, failure);
    constexpr std::string_view kClaim = "anthropic-ratelimit-unified-representative-claim";
    bool weekly = refusal.reply.header("anthropic-ratelimit-unified-7d-status") == "rejected" ||
                  refusal.reply.header(kClaim) == "seven_day";
    std::string_view reset = refusal.reply.header("anthropic-ratelimit-unified-reset");
    if (reset.empty())
        reset = refusal.reply.header(weekly ? "anthropic-ratelimit-unified-7d-reset"
                                            : "anthropic-ratelimit-unified-5h-reset");
    failure = {.outcome = Outcome::exhausted,
               .scope = Scope::account,
               .back_in = base::parse_return(reset, refusal.now),
               .window = weekly ? Window::day : Window::hour};
    return true;
}

bool openai(const Case& refusal, Failure& failure) { return bucket_refusal(refusal, failure); }

bool ollama(const Case& refusal, Failure& failure) {
    return apply(kOllama, refusal.complaint, failure);
}

bool compatible(const Case& refusal, Failure& failure) {
    return zai(refusal, failure) || apply(kCompatible, refusal.complaint, failure) ||
           bucket_refusal(refusal, failure);
}

Refine refine(base::Provider provider) {
    switch (provider) {
        case base::Provider::groq: return groq;
        case base::Provider::cerebras: return cerebras;
        case base::Provider::openrouter: return openrouter;
        case base::Provider::huggingface: return huggingface;
        case base::Provider::mistral: return mistral;
        case base::Provider::cohere: return cohere;
        case base::Provider::anthropic: return anthropic;
        case base::Provider::openai: return openai;
        case base::Provider::ollama: return ollama;
        case base::Provider::openai_compatible: return compatible;
    }
    return compatible;
}

}  // namespace llm::providers
