#pragma once

#include "base/clock.h"
#include "llm/rate.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// How an attempt ended. What follows from each (move on, bench, status to the
/// client) stands in one table: route/consequences.h.
enum class Outcome {
    served,
    busy,              ///< concurrency, queue full, device busy
    rate_limited,      ///< a short window: back within minutes
    exhausted,         ///< hour, day, month or credit
    too_large,         ///< this request never fits this target
    context_overflow,  ///< too many tokens for the model's window
    content_filtered,
    bad_request,   ///< any target would refuse it
    unsupported,   ///< this target rejects a legal parameter
    unauthorized,  ///< our key is refused
    gone,          ///< model retired or unknown upstream
    transient,     ///< connect, TLS, reset, 5xx
    timeout,
    malformed,  ///< unparsable, 200 with an error, empty completion, EOF without finish
    cancelled,  ///< an operator ended the engine in the middle of it
    client_gone,
};

std::string_view name(Outcome outcome);
std::optional<Outcome> outcome_named(std::string_view name);

/// What a failure says something about, hence what is benched.
enum class Scope { request, target, account, pool };

/// The quota window that a refusal named; `none` where it named none.
enum class Window { none, minute, hour, day, month };

/// A failed attempt, read from status, headers and text together.
struct Failure {
    Outcome outcome = Outcome::transient;
    Scope scope = Scope::request;
    /// Time until the upstream is usable again, where it said so (Retry-After,
    /// reset header, prose, end of the named window). Absent: the table guesses.
    std::optional<base::Duration> back_in{};
    Window window = Window::none;
    std::string pool{};       ///< with Scope::pool: e.g. "openrouter-free"
    std::string parameter{};  ///< with unsupported: the member that was rejected
    std::string detail{};     ///< for logs and answers: no key, no organisation id
    int status = 0;           ///< HTTP status, 0 where none arrived
    /// The quota that refused, where the reply makes plain which: never one of another window
    /// than `window`. With too_large the quota that is too small: only its limit, not refused.
    std::optional<Rate> rate{};
    /// With exhausted: the tokens of an answer that what is left of the money pays for.
    std::optional<std::uint64_t> affordable{};
};

}  // namespace llm
