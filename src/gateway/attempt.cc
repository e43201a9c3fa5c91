#include "gateway/attempt.h"

#include "gateway/relay.h"
#include "llm/classify.h"
#include "llm/rates.h"

#include <fmt/format.h>

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxAnswer = 64u << 20;
constexpr std::size_t kMaxErrorBody = 256u << 10;
/// A refusal's body is small: it does not hold up the next candidate for longer.
constexpr base::Duration kErrorBodyTime{1'000};
/// A whole answer takes longer to its first byte than a stream's first content.
constexpr int kPlainPatience = 4;
/// Where an engine of ours serves OpenAI's protocol.
const std::string kEngineBase = "/v1";
/// Shorter ones would turn ordinary words into holes.
constexpr std::size_t kShortestSecret = 6;
/// While an engine starts, a waiting stream hears from us this often.
constexpr base::Duration kHeartbeat{5'000};

Limits limits_for(const Session& session, const config::Target& target, bool last) {
    const config::Settings& settings = session.catalog->settings;
    const base::Time now = base::Clock::now();
    Limits limits;
    const auto attempt = target.timeout ? target.timeout : settings.attempt;
    limits.attempt_by = attempt ? std::min(session.total_by, now + *attempt) : session.total_by;
    limits.connect_by = std::min(limits.attempt_by, now + settings.connect);
    const bool stated = target.stream_timeout.has_value() ||
                        settings.first_content != config::Settings().first_content;
    base::Duration first = target.stream_timeout.value_or(settings.first_content);
    if (!session.request.stream) first = first * kPlainPatience;
    const bool whole_rest =
        session.request.stream ? last && !stated : last || target.tier == config::Tier::local;
    limits.first_by = whole_rest ? limits.attempt_by : std::min(limits.attempt_by, now + first);
    limits.gap = target.stream_timeout.value_or(settings.between_chunks);
    return limits;
}

/// A base that ends in the segment with which the dialect's path begins is not doubled.
std::string join_path(const std::string& base, std::string_view path) {
    const std::size_t segment = path.find('/', 1);
    if (segment != std::string_view::npos && base.ends_with(path.substr(0, segment)))
        path.remove_prefix(segment);
    return base + std::string(path);
}

/// Waits for the target's engine; a waiting stream gets a comment now and then.
net::Task<base::Result<device::Lease>> engine_for(Session& session, const config::Target& target,
                                                  base::Time deadline) {
    device::Supervisor& engines = *session.lane.shared.engines;
    for (;;) {
        const base::Time slice = std::min(deadline, base::Clock::now() + kHeartbeat);
        auto lease = co_await engines.acquire(session.lane.worker.loop.get_executor(), target.id,
                                              slice, session.abort);
        const bool again =
            !lease && lease.error().kind == base::ErrorKind::timed_out && slice < deadline;
        if (!again) co_return lease;
        if (!session.request.stream) continue;
        if (!co_await session.begin_stream() ||
            !co_await session.exchange.write(": " + target.alias + " is starting\n\n"))
            co_return base::fail(base::ErrorKind::gone, "the client left");
    }
}

net::Task<std::optional<Failure>> read_refusal(Session& session, const config::Target& target,
                                               net::UpstreamReply& reply) {
    const int status = reply.head().status;
    const base::Time by = std::min(session.total_by, base::Clock::now() + kErrorBodyTime);
    auto body = co_await reply.rest(kMaxErrorBody, by);
    if (!body && body.error().kind == base::ErrorKind::gone)
        co_return transport_failure(body.error());
    std::vector<llm::Header> headers;
    for (const net::Header& header : reply.head().headers.all())
        headers.push_back({std::string(header.name), std::string(header.value)});
    const llm::Reply seen{status, headers, body ? std::string_view(*body) : std::string_view()};
    Failure failure = llm::classify(target.provider, seen, base::WallClock::now());
    failure.status = status;
    co_return failure;
}

net::Task<std::optional<Failure>> answer_plain(Session& session, const config::Target& target,
                                               const llm::Dialect& dialect,
                                               const llm::Upstream& upstream,
                                               net::UpstreamReply& reply, const Limits& limits) {
    auto body = co_await reply.rest(kMaxAnswer, limits.attempt_by, limits.gap);
    if (!body) co_return transport_failure(body.error());
    const std::vector<llm::Header> no_headers;
    auto answer = dialect.answer(session.request, upstream,
                                 {reply.head().status, no_headers, *body}, base::WallClock::now());
    if (!answer) co_return answer.error();
    session.record->served_by = target.alias;
    session.record->usage = answer->usage;
    session.step().outcome = Outcome::served;
    if (!co_await session.answer(200, "application/json", answer->body))
        co_return Failure{.outcome = Outcome::client_gone, .detail = "the client left"};
    co_return std::nullopt;
}

/// Reads what is left of a finished stream (its last chunk marker), so that the
/// connection can be used again.
net::Task<> drain(std::unique_ptr<net::UpstreamReply> reply) {
    const base::Time by = base::Clock::now() + 1s;
    for (;;) {
        auto bytes = co_await reply->next(by);
        if (!bytes || bytes->empty()) co_return;
    }
}

/// One call as it goes on.
struct Trial {
    quota::Reservation& reservation;
    bool last;           ///< nobody is left after it
    bool& committed;     ///< content has reached the client
    bool begun = false;  ///< the upstream may have seen it
};

/// The head of an answer: the provider has counted the call, and may say what is left.
void note_head(Session& session, const config::Target& target, const net::ResponseHead& head,
               quota::Reservation& reservation) {
    const base::Now now = base::Now::read();
    reservation.counted(now);
    llm::RateReader reader(target.provider, now.wall);
    for (const net::Header& header : head.headers.all()) reader.header(header.name, header.value);
    session.ways->book().learn(target, reader.rates(), &reservation, now);
}

quota::Used used_of(const llm::Usage& usage) {
    quota::Used used;
    used.input_tokens = static_cast<double>(usage.prompt);
    used.cached_tokens = static_cast<double>(usage.cached);
    used.output_tokens = static_cast<double>(usage.completion);
    used.usd = usage.cost_usd;
    return used;
}

/// What the attempt's end means for the limits it held.
void end_reservation(Session& session, const config::Target& target, const Trial& trial,
                     const std::optional<Failure>& failure) {
    const base::Now now = base::Now::read();
    const quota::Used used = used_of(session.record->usage);
    quota::Reservation& reservation = trial.reservation;
    if (!failure) return reservation.settle(used, now);
    if (!trial.begun) return reservation.unsent();
    const bool quota =
        failure->outcome == Outcome::rate_limited || failure->outcome == Outcome::exhausted;
    const bool no_verdict = failure->status == 0 || failure->status / 100 == 2;
    const bool worked = trial.committed || (no_verdict && !quota);
    if (worked && !session.record->usage.known)
        reservation.lost();
    else
        reservation.fail(
            !worked && (quota || failure->status == 429 || failure->outcome == Outcome::too_large),
            used, now);
    session.ways->book().refused(target, *failure, now);
}

net::Task<std::optional<Failure>> call(Session& session, const route::Candidate& candidate,
                                       Trial& trial) {
    const config::Target& target = *candidate.target;
    const Way& way = session.ways->to(target);
    std::vector<std::string> drop = session.lane.shared.rejects.of(target.id);
    drop.insert(drop.end(), target.drop.begin(), target.drop.end());
    const llm::Upstream upstream{target.provider,
                                 target.alias,
                                 candidate.model,
                                 target.capabilities.reasoning,
                                 !target.capabilities.stated || target.capabilities.json_schema,
                                 target.max_output_tokens,
                                 way.defaults,
                                 way.overrides,
                                 drop,
                                 target.allow};
    const llm::Dialect& dialect = llm::dialect(session.request.endpoint, upstream);
    auto prepared = dialect.call(session.request, upstream);
    if (!prepared) {
        session.step().skip = route::Skip::unsupported;
        co_return Failure{.outcome = Outcome::unsupported, .detail = prepared.error().detail};
    }
    session.step().changes = std::move(prepared->changes);

    Limits limits = limits_for(session, target, trial.last);
    std::optional<net::Origin> engine;
    device::Lease lease;
    if (target.engine) {
        auto got = co_await engine_for(session, target, limits.attempt_by);
        if (!got) {
            if (got.error().kind == base::ErrorKind::gone ||
                got.error().kind == base::ErrorKind::timed_out)
                co_return transport_failure(got.error());
            session.step().skip = route::Skip::engine;
            co_return Failure{.outcome = Outcome::transient, .detail = got.error().detail};
        }
        lease = std::move(*got);
        engine.emplace(net::Endpoint{false, "127.0.0.1", lease.port()});
        limits = limits_for(session, target, trial.last);
    }
    const std::string path =
        join_path(target.engine ? kEngineBase : target.base.path, prepared->path);
    const std::string& headers = session.request.stream ? way.stream_headers : way.headers;
    auto sent = co_await session.lane.upstream.send(
        {engine ? *engine : way.origin, "POST", path, headers, prepared->body, &trial.begun},
        limits.connect_by, limits.first_by, session.abort);
    if (!sent) co_return transport_failure(sent.error());
    std::unique_ptr<net::UpstreamReply> reply = std::move(*sent);
    session.step().status = reply->head().status;
    note_head(session, target, reply->head(), trial.reservation);
    if (reply->head().status / 100 != 2) co_return co_await read_refusal(session, target, *reply);
    if (!session.request.stream)
        co_return co_await answer_plain(session, target, dialect, upstream, *reply, limits);
    const auto decoder = dialect.stream(session.request, upstream, base::WallClock::now());
    auto failure = co_await relay(session, *reply, *decoder, target, limits, trial.committed);
    if (trial.committed) session.record->usage = decoder->usage();
    if (!failure && !reply->ended()) {
        reply->detach();
        session.lane.worker.tasks.spawn(drain(std::move(reply)), [] {});
    }
    co_return failure;
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
}

}  // namespace

net::Task<std::optional<Failure>> attempt(Session& session, const route::Candidate& candidate,
                                          quota::Reservation& reservation, bool last,
                                          bool& committed) {
    route::Step step;
    const config::Target& target = *candidate.target;
    step.alias = target.alias;
    step.target = target.id;
    step.at = session.elapsed();
    session.record->steps.push_back(std::move(step));
    session.record->usage = {};
    Trial trial{reservation, last, committed};
    auto failure = co_await call(session, candidate, trial);
    route::Step& done = session.step();
    done.took = session.elapsed() - done.at;
    if (failure) failure->status = done.status;
    end_reservation(session, target, trial, failure);
    if (!failure) co_return failure;
    scrub(failure->detail, target);
    done.outcome = failure->outcome;
    done.detail = failure->detail;
    co_return failure;
}

}  // namespace gateway
