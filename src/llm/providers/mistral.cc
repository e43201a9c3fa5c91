#include "llm/axis.h"
#include "llm/hints.h"
#include "llm/providers/refine.h"
#include "llm/refused_rate.h"

#include <algorithm>
#include <array>

namespace llm::providers {
namespace {

constexpr auto kRules = std::to_array<Rule>({
    {429, 429, "\n3505", Outcome::busy, Scope::target, 30},
    {429, 429, "capacity", Outcome::busy, Scope::target, 30},
    {400, 400, "invalid_model", Outcome::gone, Scope::target},
    {402, 402, "", Outcome::exhausted, Scope::account},
});

base::Duration until_next(Window window, base::WallTime now) {
    return window == Window::month ? until_next_utc_month(now) : until_next_utc_day(now);
}

}  // namespace

/// Its refusals never name the window: the headers do. An allowance of zero is
/// no rate limit at all, it is looked at again after a day.
bool mistral(const Case& refusal, Failure& failure) {
    if (apply(kRules, refusal.complaint, failure)) return true;
    if (refusal.complaint.status != 429) return false;
    if (refusal.reply.header("x-ratelimit-limit-req-minute") == "0") {
        failure = {
            .outcome = Outcome::gone, .scope = Scope::target, .back_in = std::chrono::hours(24)};
        return true;
    }
    Window longest = Window::minute;
    for (const Rate& rate : empty_rates(base::Provider::mistral, refusal))
        longest = std::max(longest, window_named(rate.window));
    if (longest != Window::minute) {
        failure = {.scope = longest == Window::month ? Scope::account : Scope::target,
                   .back_in = until_next(longest, refusal.now)};
        set_window(failure, longest);
        return true;
    }
    failure = {.outcome = Outcome::rate_limited,
               .scope = Scope::target,
               .back_in = until_next_minute(refusal.now),
               .window = Window::minute};
    return true;
}

}  // namespace llm::providers
