#include "gateway/relay.h"

#include "gateway/agent_box.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

/// What a stream may hold back before its first content (role deltas, comments).
constexpr std::size_t kMostHeld = 1u << 20;

/// While an answer is kept back, its client hears of it. False: the client has left.
net::Task<bool> keep_awake(Session& session, const config::Target& target, base::Time& heard) {
    const base::Time now = base::Clock::now();
    if (now - heard < kHeartbeat) co_return true;
    heard = now;
    if (!co_await session.begin_stream()) co_return false;
    co_return co_await session.exchange.write(session.comment(target.alias + " is answering"));
}

/// The next bytes of the upstream. While an agent is silent, its client hears of it.
net::Task<base::Result<std::string_view>> next_bytes(Session& session, OpenCall& call,
                                                     const config::Target& target,
                                                     base::Time deadline) {
    while (target.capabilities.agent) {
        const base::Time slice = base::Clock::now() + kHeartbeat;
        if (slice >= deadline) break;
        auto bytes = co_await call.next(slice);
        if (bytes || bytes.error().kind != base::ErrorKind::timed_out) co_return bytes;
        if (!co_await say_working(session, target))
            co_return base::fail(base::ErrorKind::gone, "the client left");
    }
    co_return co_await call.next(deadline);
}

/// Which limit was passed. One that was answering when the request's own time was over is not to
/// blame.
void name_limit(const Session& session, const Limits& limits, base::Time passed, bool under_way,
                Failure& failure) {
    if (!under_way) {
        failure.detail = "no content came within the time limit";
    } else if (passed < limits.attempt_by) {
        failure.detail = "nothing came between two chunks within the time limit";
    } else if (limits.attempt_by < session.total_by) {
        failure.detail = "the answer was not complete within the target's time limit";
    } else {
        failure.detail = "the answer was not complete within the request's time limit";
        failure.scope = llm::Scope::request;
    }
}

}  // namespace

net::Task<std::optional<Failure>> relay(Session& session, OpenCall& call,
                                        llm::StreamDecoder& decoder, const config::Target& target,
                                        bool& committed) {
    const Limits& limits = call.limits;
    std::string out;
    bool ended = false;
    base::Time heard = base::Clock::now();
    while (!ended) {
        const bool under_way = committed || decoder.held();
        const base::Time deadline =
            under_way ? std::min(limits.attempt_by, base::Clock::now() + limits.gap)
                      : limits.first_by;
        auto bytes = co_await next_bytes(session, call, target, deadline);
        std::optional<Failure> failure;
        if (!bytes) {
            failure = broken_off(call, bytes.error());
            if (failure->outcome == Outcome::timeout)
                name_limit(session, limits, deadline, under_way, *failure);
        } else if (bytes->empty()) {
            failure = decoder.finish(out);
            ended = true;
        } else {
            failure = decoder.feed(*bytes, out);
            ended = decoder.done();
        }
        if (failure && failure->outcome == Outcome::client_gone) co_return failure;
        if (!decoder.committed() && (failure || !ended)) {
            if (!failure && out.size() > kMostHeld)
                failure = Failure{.outcome = Outcome::malformed,
                                  .detail = "a megabyte of stream without content"};
            if (failure) co_return failure;
            if (decoder.held() && !co_await keep_awake(session, target, heard))
                co_return client_left();
            continue;
        }
        if (!committed) {
            committed = true;
            session.record->served_by = target.alias;
            session.lane.shared.benches.served(target, base::Clock::now());
            session.step().outcome = Outcome::served;
            if (!co_await session.begin_stream()) co_return client_left();
        }
        if (ended && !failure) session.job->answered(session, decoder.whole());
        if (!out.empty() && !co_await session.exchange.write(out)) co_return client_left();
        out.clear();
        if (failure) co_return failure;
    }
    session.record->usage = decoder.usage();
    if (!co_await session.exchange.end_stream()) co_return client_left();
    co_return std::nullopt;
}

}  // namespace gateway
