#include "llm/hints.h"
#include "llm/providers/refine.h"

#include <array>

namespace llm::providers {
namespace {

constexpr auto kRules = std::to_array<Rule>({
    {403, 403, "key limit exceeded", Outcome::exhausted, Scope::account},
    {404, 404, "", Outcome::gone, Scope::target},
    {400, 404, "free_variant_ended", Outcome::gone, Scope::target},
    {400, 400, "max_tokens_exceeded", Outcome::context_overflow, Scope::request},
    {400, 400, "token_limit_exceeded", Outcome::context_overflow, Scope::request},
    {400, 400, "string_too_long", Outcome::context_overflow, Scope::request},
    {400, 400, "refusal", Outcome::content_filtered, Scope::request},
    {503, 503, "", Outcome::busy, Scope::target},
});

/// The free models share one pool per account; its day is UTC's.
bool free_pool(const Case& refusal, Failure& failure) {
    const Complaint& c = refusal.complaint;
    bool daily = c.says("free-models-per-day") || c.limit_source.ends_with("_daily");
    if (!daily && !c.says("free-models-per-min")) return false;
    failure.scope = Scope::pool;
    failure.pool = kOpenRouterFree;
    set_window(failure, daily ? Window::day : Window::minute);
    failure.back_in = base::parse_return(c.reset, refusal.now);
    if (!failure.back_in)
        failure.back_in =
            base::parse_return(refusal.reply.header("x-ratelimit-reset"), refusal.now);
    if (!failure.back_in)
        failure.back_in = daily ? until_next_utc_day(refusal.now) : base::Duration(60'000);
    return true;
}

}  // namespace

bool openrouter(const Case& refusal, Failure& failure) {
    const Complaint& c = refusal.complaint;
    if (c.status == 403 && c.moderated) {
        failure = {.outcome = Outcome::content_filtered, .scope = Scope::request};
        return true;
    }
    if (c.status == 402) {  // no credit: models that cost none serve on
        failure = {.outcome = Outcome::exhausted, .scope = Scope::pool, .pool{kOpenRouterPaid}};
        failure.affordable = number_after(c.message, "can only afford ");
        return true;
    }
    if (c.status != 429) return apply(kRules, c, failure);
    if (free_pool(refusal, failure)) return true;
    bool upstream =
        !c.provider_name.empty() || c.says("upstream") || c.limit_source.starts_with("upstream");
    if (!upstream) return false;
    // A pool that the provider behind shares with everybody: it clears by itself.
    failure = {.outcome = Outcome::rate_limited,
               .scope = Scope::target,
               .back_in = std::chrono::seconds(30)};
    return true;
}

}  // namespace llm::providers
