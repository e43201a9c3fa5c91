#include "gateway/call.h"

#include "gateway/device_turn.h"
#include "llm/classify.h"
#include "llm/rates.h"
#include "llm/reasoning_effort.h"
#include "route/ability.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

constexpr std::size_t kMaxErrorBody = 256u << 10;
/// A refusal's body is small: it does not hold up the next candidate for longer.
constexpr base::Duration kErrorBodyTime{1'000};
/// A whole answer takes longer to its first byte than a stream's first content.
constexpr int kPlainPatience = 4;
/// An agent says nothing while it works: so long, where its stream_timeout does not say.
constexpr base::Duration kAgentSilence{300'000};

/// A base that ends in the segment with which the dialect's path begins is not doubled.
std::string join_path(const std::string& base, std::string_view path) {
    const std::size_t segment = path.find('/', 1);
    if (segment != std::string_view::npos && base.ends_with(path.substr(0, segment)))
        path.remove_prefix(segment);
    return base + std::string(path);
}

/// False: the client has left.
net::Task<bool> tell_of_start(Session& session, const config::Target& target) {
    if (!co_await session.begin_stream()) co_return false;
    co_return co_await session.exchange.write(session.comment(target.alias + " is starting"));
}

/// Waits for the target's engine; a waiting stream gets a comment now and then.
net::Task<base::Result<device::Lease>> engine_for(Session& session, const config::Target& target,
                                                  base::Time deadline) {
    device::Waiting waiting{.when_busy = session.when_busy, .tell_every = kHeartbeat};
    if (session.job->stream())
        waiting.tell = [&session, &target] { return tell_of_start(session, target); };
    return session.lane.shared.engines->acquire(session.lane.worker.loop.get_executor(), target.id,
                                                deadline, session.abort, std::move(waiting));
}

/// How long a request that meets the end of its engine's process waits for the next one.
constexpr base::Duration kAfterCrash{2'000};
constexpr base::Duration kCrashStep{50};

/// No engine for this attempt.
Failure without_engine(Session& session, const base::Error& error) {
    using base::ErrorKind;
    switch (error.kind) {
        case ErrorKind::gone:
        case ErrorKind::timed_out: return transport_failure(error);
        case ErrorKind::refused: return {.outcome = Outcome::cancelled, .detail = error.detail};
        case ErrorKind::busy: return {.outcome = Outcome::busy, .detail = error.detail};
        default: break;
    }
    session.step().skip = route::Skip::engine;
    return {.outcome = Outcome::transient, .detail = error.detail};
}

/// Fills in the lease on the target's engine; what kept it from starting.
net::Task<std::optional<Failure>> start_engine(Session& session, const config::Target& target,
                                               OpenCall& call) {
    auto got = co_await engine_for(session, target, call.limits.attempt_by);
    if (got) {
        call.lease = std::move(*got);
        co_return std::nullopt;
    }
    call.device.failed();
    co_return without_engine(session, got.error());
}

/// Nothing listens where the engine was a moment ago, and it has not been seen yet that it ended.
net::Task<bool> ended_unseen(Session& session, const config::Target& target,
                             const device::Lease& lease, const Trial& trial,
                             const base::Error& error, base::Time by) {
    const base::Time again = base::Clock::now() + kCrashStep;
    if (!target.engine || trial.begun || lease.cancelled() ||
        error.kind != base::ErrorKind::connect || again >= by)
        co_return false;
    co_return co_await session.pause(again);
}

std::string headers_for(const Way& way, const Outgoing& outgoing) {
    std::string lines;
    lines.reserve(way.headers.size() + outgoing.headers.size() + 96);
    lines = way.headers;
    if (!outgoing.content_type.empty())
        net::append_header(lines, "Content-Type", outgoing.content_type);
    net::append_header(lines, "Accept", outgoing.accept);
    lines += outgoing.headers;
    return lines;
}

/// The encoding of a body that can't be read; empty: it comes as it is.
std::string_view packed(const net::ResponseHead& head) {
    const std::string_view encoding = base::trim(head.headers.get("content-encoding"));
    return base::iequals(encoding, "identity") ? std::string_view() : encoding;
}

Failure packed_answer(const net::ResponseHead& head) {
    return {.outcome = Outcome::malformed,
            .scope = llm::Scope::target,
            .detail = "the answer came with Content-Encoding: " + base::shown(packed(head), 100) +
                      ", although it was asked for as it is (Accept-Encoding: identity)",
            .status = head.status};
}

net::Task<Failure> read_refusal(Session& session, const config::Target& target,
                                net::UpstreamReply& reply) {
    const int status = reply.head().status;
    const base::Time by = std::min(session.total_by, base::Clock::now() + kErrorBodyTime);
    auto body = co_await reply.rest(kMaxErrorBody, by);
    if (!body && body.error().kind == base::ErrorKind::gone)
        co_return transport_failure(body.error());
    std::vector<llm::Header> headers;
    for (const net::Header& header : reply.head().headers.all())
        headers.push_back({std::string(header.name), std::string(header.value)});
    const bool readable = body && packed(reply.head()).empty();
    const llm::Reply seen{status, headers, readable ? std::string_view(*body) : std::string_view()};
    Failure failure = llm::classify(target.provider, seen, base::WallClock::now());
    failure.status = status;
    co_return failure;
}

/// The head of an answer: the provider has counted the call, and may say what is left.
void note_head(Session& session, const config::Target& target, const net::ResponseHead& head,
               quota::Reservation& reservation) {
    const base::Now now = base::Now::read();
    reservation.counted(now);
    llm::RateReader reader(target.provider, now.wall);
    for (const net::Header& header : head.headers.all()) reader.header(header.name, header.value);
    session.ways->book().learn(target, reader.rates(), &reservation, now);
}

}  // namespace

Limits limits_for(const Session& session, const config::Target& target, bool last, bool stream) {
    const config::Settings& settings = session.catalog->settings;
    const base::Time now = base::Clock::now();
    Limits limits;
    const auto attempt = target.timeout ? target.timeout : settings.attempt;
    limits.attempt_by = attempt ? std::min(session.total_by, now + *attempt) : session.total_by;
    const bool stated = target.stream_timeout.has_value() ||
                        settings.first_content != config::Settings().first_content;
    const bool agent = target.capabilities.agent;
    base::Duration first =
        target.stream_timeout.value_or(agent ? kAgentSilence : settings.first_content);
    if (!stream) first = first * kPlainPatience;
    const bool whole_rest = stream ? last && !stated : last || target.tier == config::Tier::local;
    limits.first_by = whole_rest ? limits.attempt_by : std::min(limits.attempt_by, now + first);
    limits.connect_by = std::min(limits.first_by, now + settings.connect);
    limits.gap = target.stream_timeout.value_or(agent ? kAgentSilence : settings.between_chunks);
    if (session.job->slow()) limits.gap = limits.gap * kPlainPatience;
    return limits;
}

net::Task<base::Result<std::string_view>> OpenCall::next(base::Time deadline) {
    return source ? source->next(deadline) : reply->next(deadline);
}

Failure client_left() { return {.outcome = Outcome::client_gone, .detail = "the client left"}; }

Failure transport_failure(const base::Error& error) {
    Failure failure;
    failure.detail = error.detail;
    failure.scope = llm::Scope::target;
    switch (error.kind) {
        case base::ErrorKind::gone: failure.outcome = Outcome::client_gone; break;
        case base::ErrorKind::timed_out: failure.outcome = Outcome::timeout; break;
        case base::ErrorKind::protocol:
        case base::ErrorKind::too_large: failure.outcome = Outcome::malformed; break;
        default: failure.outcome = Outcome::transient; break;
    }
    return failure;
}

Failure broken_off(OpenCall& call, const base::Error& error) {
    if (call.lease.cancelled())
        return {.outcome = Outcome::cancelled, .detail = "the engine was ended by an operator"};
    if (error.kind == base::ErrorKind::gone || error.kind == base::ErrorKind::timed_out) {
        call.lease.abandon();
        call.device.abandoned();
    }
    return transport_failure(error);
}

net::Task<std::expected<OpenCall, Failure>> open_call(Session& session,
                                                      const config::Target& target, Trial& trial,
                                                      Outgoing outgoing) {
    const bool stream = outgoing.streams.value_or(session.job->stream()) && !session.job->slow();
    OpenCall call{.limits = limits_for(session, target, trial.last, stream)};
    const Way& way = session.ways->to(target);
    base::Time busy_by{};
    if (way.use) {
        auto turn = co_await take_turn(session, target, *way.use, trial, call.limits.attempt_by);
        if (!turn) co_return std::unexpected(std::move(turn.error()));
        call.device = std::move(turn->lease);
        busy_by = turn->busy_by;
    }
    std::optional<net::Origin> engine;
    if (target.engine) {
        if (auto failure = co_await start_engine(session, target, call))
            co_return std::unexpected(std::move(*failure));
        engine.emplace(net::Endpoint{false, "127.0.0.1", call.lease.port()});
    }
    const std::string path =
        outgoing.at_root ? std::move(outgoing.path)
                         : join_path(target.engine ? kEngineBase : target.base.path, outgoing.path);
    const std::string headers = headers_for(way, outgoing);
    const base::Time crash_by = std::min(call.limits.attempt_by, base::Clock::now() + kAfterCrash);
    for (int times = 1;; ++times) {
        if (way.use || target.engine) call.limits = limits_for(session, target, trial.last, stream);
        auto sent = co_await session.lane.upstream.send(
            {engine ? *engine : way.origin, outgoing.method, path, headers, outgoing.body,
             &trial.begun, outgoing.pieces, call.limits.attempt_by, outgoing.vigil},
            call.limits.connect_by, call.limits.first_by, session.abort);
        if (!sent &&
            co_await ended_unseen(session, target, call.lease, trial, sent.error(), crash_by)) {
            call.lease = {};
            if (auto failure = co_await start_engine(session, target, call))
                co_return std::unexpected(std::move(*failure));
            engine.emplace(net::Endpoint{false, "127.0.0.1", call.lease.port()});
            continue;
        }
        if (!sent) {
            if (!trial.begun) call.device.failed();  // the engine knows nothing of it
            Failure failure = broken_off(call, sent.error());
            co_return std::unexpected(session.abort.aborted() ? client_left() : std::move(failure));
        }
        call.reply = std::move(*sent);
        session.step().status = call.reply->head().status;
        note_head(session, target, call.reply->head(), trial.reservation);
        if (call.reply->head().status / 100 == 2) {
            call.device.served();
            if (!packed(call.reply->head()).empty())
                co_return std::unexpected(packed_answer(call.reply->head()));
            co_return std::move(call);
        }
        Failure failure = co_await read_refusal(session, target, *call.reply);
        call.reply.reset();
        const bool again = way.use && failure.outcome == Outcome::busy &&
                           co_await engine_calms(session, *way.use, times, busy_by);
        if (again) continue;
        if (failure.outcome != Outcome::busy) call.device.failed();
        co_return std::unexpected(std::move(failure));
    }
}

bool has_type(const net::ResponseHead& head, std::string_view type) {
    return base::iequals(base::trim(head.headers.get("content-type")).substr(0, type.size()), type);
}

llm::Upstream upstream_of(Session& session, const route::Candidate& candidate,
                          std::vector<std::string>& drop) {
    const config::Target& target = *candidate.target;
    const Way& way = session.ways->to(target);
    drop = session.lane.shared.rejects.of(target.id);
    drop.insert(drop.end(), target.drop.begin(), target.drop.end());
    if (session.job->has("cache")) drop.emplace_back("cache");  // meant for us
    const auto facts = session.lane.shared.facts.all();
    const config::Capabilities can = route::ability(target, facts.get());
    return {.provider = target.provider,
            .alias = target.alias,
            .model = candidate.model,
            .reasoning = can.reasoning || (!can.reasoning_stated &&
                                           llm::known_to_reason(target.provider, candidate.model)),
            .stated = can.stated,
            .json_schema = !can.stated || can.json_schema,
            .tools = !can.stated || can.tools,
            .documents = !can.stated || can.documents,
            .agent_box = target.agent != config::AgentKind::none && !target.native,
            .max_output_tokens = target.max_output_tokens,
            .defaults = way.defaults,
            .overrides = way.overrides,
            .drop = drop,
            .allow = target.allow};
}

Failure no_word(Session& session, const base::Error& error) {
    session.step().skip = route::Skip::unsupported;
    return {.outcome = Outcome::unsupported, .detail = error.detail};
}

net::Task<std::expected<std::string, Failure>> read_whole(OpenCall& call) {
    if (call.reply) {
        auto body = co_await call.reply->rest(kMaxAnswer, call.limits.attempt_by, call.limits.gap);
        if (!body) co_return std::unexpected(broken_off(call, body.error()));
        co_return std::move(*body);
    }
    std::string body;
    for (;;) {
        auto bytes = co_await call.next(call.limits.attempt_by);
        if (!bytes) co_return std::unexpected(broken_off(call, bytes.error()));
        if (bytes->empty()) co_return std::move(body);
        body += *bytes;  // bounded by its source
    }
}

}  // namespace gateway
