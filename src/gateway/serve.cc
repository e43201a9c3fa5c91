#include "gateway/serve.h"

#include "base/log.h"
#include "gateway/attempt.h"
#include "gateway/cache.h"
#include "gateway/quota_wait.h"
#include "route/consequences.h"
#include "route/policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

using llm::Failure;
using llm::Outcome;
using route::Skip;

namespace {

void note_skip(Session& session, const route::Candidate& candidate) {
    route::Step step;
    step.alias = candidate.target->alias;
    step.target = candidate.target->id;
    step.skip = candidate.skip;
    step.detail = candidate.why;
    step.back_in = candidate.back_in;
    step.outcome = candidate.cause;
    session.record->steps.push_back(std::move(step));
}

/// A shared ledger on the same network hands out quota well within this.
constexpr base::Duration kHandOut{250};
constexpr base::Duration kHandOutStep{5};

/// A local service that lacks a model has it as soon as it is pulled: the puller looks, and so do
/// we before long.
constexpr base::Duration kModelLook{5'000};

bool lacks_model(const config::Target& target, const Failure& failure) {
    return failure.outcome == Outcome::gone && target.provider == base::Provider::ollama;
}

/// What a failed attempt means for the requests to come.
void learn(Session& session, const config::Target& target, const Failure& failure) {
    Gateway& shared = session.lane.shared;
    if (failure.outcome == Outcome::client_gone) return;
    if (failure.outcome == Outcome::unsupported && session.job->chats() &&
        session.job->has(failure.parameter) && LearnedRejects::may_go(failure.parameter))
        shared.rejects.learn(target.id, failure.parameter);
    const config::Settings& settings = session.catalog->settings;
    if (!settings.cooldowns) return;
    route::BenchTerms terms{target.cooldown ? target.cooldown : settings.cooldown,
                            route::allowed_fails(settings, target, failure)};
    if (lacks_model(target, failure)) {
        terms.cooldown = std::min(terms.cooldown.value_or(kModelLook), kModelLook);
        if (shared.puller) shared.puller->look_again(target.id);
    }
    const base::Time now = base::Clock::now();
    const auto bench = shared.benches.failed(target, failure, terms, now);
    if (!bench) return;
    session.step().back_in = std::chrono::ceil<base::Duration>(bench->until - now);
    const bool serious =
        failure.outcome == Outcome::unauthorized || failure.outcome == Outcome::gone;
    if (bench->strikes <= terms.allowed_fails + 1 || !serious)
        base::log::write(serious ? base::log::Level::error : base::log::Level::info, "bench",
                         {{"what", bench->key},
                          {"cause", llm::name(bench->cause)},
                          {"source", route::name(bench->source)},
                          {"seconds", session.step().back_in->count() / 1000},
                          {"detail", failure.detail}});
}

bool somebody_left(const route::Decision& decision, std::size_t from) {
    return std::any_of(decision.candidates.begin() + static_cast<std::ptrdiff_t>(from),
                       decision.candidates.end(),
                       [](const route::Candidate& c) { return c.skip == Skip::none; });
}

enum class Next { move_on, answer };

/// After a failure: who may still follow.
Next after(Session& session, route::Decision& decision, std::size_t failed,
           const Failure& failure) {
    if (failure.outcome == Outcome::context_overflow)
        route::after_context_overflow(session.state(), session.ask, decision, failed);
    if (failure.outcome == Outcome::content_filtered)
        return route::after_content_refusal(session.state(), session.ask, decision, failed)
                   ? Next::move_on
                   : Next::answer;
    return route::consequence(failure.outcome).move_on ? Next::move_on : Next::answer;
}

/// Told in its own stream: the client has content of an answer that broke.
net::Task<> end_broken_stream(Session& session, const Failure& failure) {
    const route::Consequence& row = route::consequence(failure.outcome);
    ClientError error{row.status,
                      fmt::format("{} broke off: {}", session.record->served_by, failure.detail),
                      std::string(row.type),
                      std::string(row.code),
                      {},
                      {}};
    co_await session.refuse(std::move(error));
}

/// The one attempt that looks whether a target is back; on every way out the next may look.
struct Probe {
    route::Benches& benches;
    const config::Target& target;
    bool under_way = false;
    ~Probe() {
        if (under_way) benches.release_probe(target);
    }
};

struct Walked {
    bool answered = false;
    std::optional<std::size_t> last_asked;  ///< index of the last candidate that was called
    std::optional<Failure> last_failure;
};

/// Holds what the request needs of the target's limits. Where several gateways share the ledger
/// and this one has nothing in hand, it waits a moment to be given some.
net::Task<std::expected<quota::Reservation, quota::Shortage>> reserve(
    Session& session, const config::Target& target) {
    const base::Time by = base::Clock::now() + kHandOut;
    for (;;) {
        auto held =
            session.ways->book().reserve(target, session.ask.work(target), base::Now::read());
        const bool ask = !held && held.error().ungranted && session.lane.shared.shared_ledger;
        if (!ask || base::Clock::now() >= by) co_return held;
        if (!session.lane.shared.shared_ledger->want(held.error().limit, held.error().needed))
            co_return held;
        if (!co_await session.pause(base::Clock::now() + kHandOutStep)) co_return held;
    }
}

/// One attempt, and where the target's money pays for a shorter answer only, a second one for
/// that. What else may be wrong with the second call is not the client's fault: its failure is
/// the first's.
net::Task<std::optional<Failure>> ask(Session& session, const route::Candidate& candidate,
                                      Trial& trial) {
    auto failure = co_await attempt(session, candidate, trial);
    if (!failure || trial.committed || !failure->affordable ||
        !session.job->may_be_shorter(*failure->affordable) ||
        base::Clock::now() >= session.total_by)
        co_return failure;
    auto reservation = co_await reserve(session, *candidate.target);
    if (!reservation) co_return failure;
    Trial shorter{*reservation, trial.last, trial.committed, failure->affordable};
    auto second = co_await attempt(session, candidate, shorter);
    if (second && second->outcome == Outcome::bad_request) co_return failure;
    co_return second;
}

/// An answer has broken after content: whether anybody is left who may carry it on.
bool somebody_carries_on(const Session& session, const route::Decision& decision,
                         std::size_t from) {
    if (!session.job->can_go_on() || base::Clock::now() >= session.total_by) return false;
    return std::any_of(decision.candidates.begin() + static_cast<std::ptrdiff_t>(from),
                       decision.candidates.end(), [&](const route::Candidate& c) {
                           return c.skip == Skip::none && session.job->unfit(*c.target).empty();
                       });
}

/// One attempt at a candidate that the decision lets through, with all that belongs
/// to its start and end. True: the request is over.
net::Task<bool> try_candidate(Session& session, route::Decision& decision, std::size_t i,
                              Walked& walked) {
    route::Candidate& candidate = decision.candidates[i];
    const config::Target& target = *candidate.target;
    Gateway& shared = session.lane.shared;
    Probe probe{shared.benches, target};
    std::optional<InFlight::Slot> slot;
    if (!decision.alone) {
        if (auto bench = shared.benches.admit(target, base::Clock::now(), probe.under_way)) {
            route::set_aside(candidate, *bench, base::Clock::now());
            note_skip(session, candidate);
            co_return false;
        }
    }
    if (!shared.in_flight.take(target, slot)) {
        candidate.skip = Skip::concurrency;
        candidate.why = fmt::format("{} requests are under way", *target.max_parallel_requests);
        candidate.cause = Outcome::busy;
        note_skip(session, candidate);
        co_return false;
    }
    auto reservation = co_await reserve(session, target);
    if (!reservation) {
        route::set_aside(candidate, reservation.error());
        note_skip(session, candidate);
        co_return false;
    }
    session.place.reset();
    bool committed = false;
    Trial trial{*reservation, !somebody_left(decision, i + 1), committed};
    auto failure = co_await ask(session, candidate, trial);
    shared.waiting.something_ended();
    if (!failure) {
        shared.benches.served(target, base::Clock::now());
        co_return true;
    }
    learn(session, target, *failure);
    if (failure->outcome == Outcome::client_gone) {
        session.exchange.mark_gone();
        co_return true;
    }
    if (committed && !somebody_carries_on(session, decision, i + 1)) {
        co_await end_broken_stream(session, *failure);
        co_return true;
    }
    if (committed) co_return false;
    if (session.step().skip == Skip::none) walked.last_asked = i;
    walked.last_failure = std::move(failure);
    co_return false;
}

/// Asks the candidates in order, each at most once.
net::Task<Walked> walk(Session& session, route::Decision& decision) {
    Walked walked;
    for (std::size_t i = 0; i < decision.candidates.size(); ++i) {
        if (decision.candidates[i].skip != Skip::none) {
            note_skip(session, decision.candidates[i]);
            continue;
        }
        if (base::Clock::now() >= session.total_by) break;
        route::Candidate& candidate = decision.candidates[i];
        if (const std::string_view why = session.job->unfit(*candidate.target); !why.empty()) {
            candidate.skip = Skip::capability;
            candidate.why = why;
            note_skip(session, candidate);
            continue;
        }
        walked.last_failure.reset();
        walked.answered = co_await try_candidate(session, decision, i, walked);
        if (walked.answered) break;
        if (walked.last_failure && !session.job->can_go_on() &&
            after(session, decision, i, *walked.last_failure) == Next::answer)
            break;
    }
    co_return walked;
}

/// Nobody waits longer than this for the return that a target stated.
constexpr base::Duration kLongestPause{60'000};

/// Configured same-target retries: only of the last one asked, only when nobody else
/// is left and a moment may help or the retry policy names the kind of failure.
net::Task<bool> retry_last(Session& session, route::Decision& decision, Walked& walked) {
    if (!walked.last_asked || !walked.last_failure || session.job->can_go_on()) co_return false;
    const std::size_t index = *walked.last_asked;
    const config::Target& target = *decision.candidates[index].target;
    for (int i = 0; i < route::retries(session.catalog->settings, target, *walked.last_failure);
         ++i) {
        const base::Duration pause =
            std::max(base::Duration(300) * (1 << std::min(i, 4)),
                     walked.last_failure->back_in.value_or(base::Duration(0)));
        const base::Time at = base::Clock::now() + pause;
        if (pause > kLongestPause || at >= session.total_by) break;
        if (!co_await session.pause(at)) co_return true;
        std::optional<InFlight::Slot> slot;
        if (!session.lane.shared.in_flight.take(target, slot)) continue;
        auto reservation = co_await reserve(session, target);
        if (!reservation) continue;
        bool committed = false;
        Trial trial{*reservation, true, committed};
        auto failure = co_await attempt(session, decision.candidates[index], trial);
        if (!failure) {
            session.lane.shared.benches.served(target, base::Clock::now());
            co_return true;
        }
        learn(session, target, *failure);
        if (committed) co_await end_broken_stream(session, *failure);
        if (committed || failure->outcome == Outcome::client_gone) co_return true;
        walked.last_failure = std::move(failure);
    }
    co_return false;
}

/// Those whom only time keeps from serving the request.
std::vector<const config::Target*> able(const route::Decision& decision) {
    std::vector<const config::Target*> targets;
    for (const route::Candidate& candidate : decision.candidates)
        if (candidate.skip == Skip::none || candidate.skip == Skip::benched ||
            candidate.skip == Skip::quota)
            targets.push_back(candidate.target);
    return targets;
}

/// Asks the candidates; where all are out of quota and the client allows it, waits for the
/// first that returns and asks again. Ends with an answer or an error.
net::Task<> ask_all(Session& session, route::Decision decision,
                    std::optional<base::Time> wait_until) {
    Patience patience{decision.alias ? decision.alias->name : session.ask.model,
                      wait_until.value_or(base::Time{})};
    if (wait_until && session.lane.shared.waiting.busy(patience.line) &&
        quota_returns_by(decision, *wait_until)) {
        co_await wait_for_quota(session, patience, base::Duration(0));
        decision = *route::decide(session.state(), session.ask, session.lane.counter);
    } else if (somebody_left(decision, 0)) {
        co_await let_those_who_wait_look(session, patience.line);
    }
    for (;;) {
        if (session.exchange.gone()) co_return;
        Walked walked = co_await walk(session, decision);
        if (!walked.answered) walked.answered = co_await retry_last(session, decision, walked);
        if (walked.answered) co_return;
        const auto back_in = wait_until ? quota_returns_in(*session.record) : std::nullopt;
        if (!back_in || !co_await wait_for_quota(session, patience, *back_in)) break;
        session.record->steps.clear();
        decision = *route::decide(session.state(), session.ask, session.lane.counter);
    }
    if (session.exchange.gone()) co_return;
    co_await session.refuse(chain_error(*session.record, base::Clock::now() >= session.total_by));
}

ClientError too_many(int most) {
    return {429,
            fmt::format("{} requests are under way, which is all that this gateway allows at once.",
                        most),
            "rate_limit_error",
            "too_many_parallel_requests",
            {},
            base::Duration(1'000)};
}

}  // namespace

ClientError unknown_model(const config::Catalog& catalog, const std::string& model) {
    const std::string hint = catalog.aliases.empty()
                                 ? "No provider is enabled: set a flag to 1 in .env."
                                 : "GET /v1/models lists the names that are served.";
    return {404,
            fmt::format("The model `{}` does not exist here. {}", base::shown(model, 200), hint),
            "invalid_request_error",
            "model_not_found",
            "model",
            {}};
}

std::optional<ClientError> take_place(Session& session) {
    const std::optional<int>& most = session.catalog->settings.max_parallel_requests;
    if (!most || session.slot) return std::nullopt;
    if (InFlight::take(session.lane.shared.inference, *most, session.slot)) return std::nullopt;
    return too_many(*most);
}

net::Task<> serve(Session& session) {
    const config::Settings& settings = session.catalog->settings;
    session.record->stream = session.job->stream();
    if (auto opened = open_cache(session); !opened)
        co_return co_await session.refuse(opened.error());
    if (co_await answer_from_cache(session)) co_return;
    if (auto full = take_place(session)) co_return co_await session.refuse(*std::move(full));

    auto decision = route::decide(session.state(), session.ask, session.lane.counter);
    if (!decision)
        co_return co_await session.refuse(
            unknown_model(*session.catalog, route::served_alias(settings, session.ask)));
    auto wait_until = may_wait_until(session.exchange);
    if (!wait_until) co_return co_await session.refuse(wait_until.error());
    if (*wait_until && **wait_until <= base::Clock::now())
        session.when_busy = device::WhenBusy::refuse;

    session.exchange.watch_hangup([&session] {
        session.exchange.mark_gone();
        session.abort.abort();
    });
    session.able = able(*decision);
    co_await ask_all(session, std::move(*decision), *wait_until);
}

}  // namespace gateway
