#include "gateway/attempt.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

/// Shorter ones would turn ordinary words into holes.
constexpr std::size_t kShortestSecret = 6;

/// What the attempt's end means for the limits it held.
void end_reservation(Session& session, const config::Target& target, const Trial& trial,
                     const std::optional<Failure>& failure) {
    const base::Now now = base::Now::read();
    const llm::Usage& last = trial.last_call ? *trial.last_call : session.record->usage;
    const quota::Used used = used_of(last);
    quota::Reservation& reservation = trial.reservation;
    if (!failure) return reservation.settle(used, now);
    if (!trial.begun) return reservation.unsent();
    const bool quota =
        failure->outcome == Outcome::rate_limited || failure->outcome == Outcome::exhausted;
    const bool no_verdict = failure->status == 0 || failure->status / 100 == 2;
    const bool worked = trial.committed || (no_verdict && !quota);
    if (worked && !last.known)
        reservation.lost();
    else
        reservation.fail(
            !worked && (quota || failure->status == 429 || failure->outcome == Outcome::too_large),
            used, now);
    session.ways->book().refused(target, *failure, now);
}

/// An upstream may repeat what we sent it: no key and no configured header leaves here.
void scrub(std::string& text, const config::Target& target) {
    const auto hide = [&text](std::string_view secret) {
        if (secret.size() < kShortestSecret) return;
        constexpr std::string_view kHidden = "[redacted]";
        for (std::size_t at = text.find(secret); at != std::string::npos;
             at = text.find(secret, at + kHidden.size()))
            text.replace(at, secret.size(), kHidden);
    };
    hide(target.key.reveal());
    for (const auto& [name, value] : target.headers) hide(value);
    if (!target.native) return;
    for (const auto& [name, value] : target.native->environment) hide(value.reveal());
}

}  // namespace

quota::Used used_of(const llm::Usage& usage) {
    quota::Used used;
    used.input_tokens = static_cast<double>(usage.prompt);
    used.cached_tokens = static_cast<double>(usage.cached);
    used.written_tokens = static_cast<double>(usage.cache_written);
    used.output_tokens = static_cast<double>(usage.completion);
    used.usd = usage.cost_usd;
    used.images = usage.images;
    used.inputs = usage.inputs;
    used.audio_seconds = usage.audio_seconds;
    used.characters = usage.characters;
    return used;
}

net::Task<std::optional<Failure>> attempt(Session& session, const route::Candidate& candidate,
                                          Trial& trial) {
    route::Step step;
    const config::Target& target = *candidate.target;
    step.alias = target.alias;
    step.target = target.id;
    step.at = session.elapsed();
    session.record->steps.push_back(std::move(step));
    session.record->usage = {};
    auto failure = co_await session.job->call(session, candidate, trial);
    route::Step& done = session.step();
    done.took = session.elapsed() - done.at;
    if (failure) failure->status = done.status;
    end_reservation(session, target, trial, failure);
    done.usage = session.record->usage;
    if (!failure) co_return failure;
    scrub(failure->detail, target);
    done.outcome = failure->outcome;
    done.detail = failure->detail;
    co_return failure;
}

}  // namespace gateway
