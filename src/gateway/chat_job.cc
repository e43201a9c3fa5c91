#include "gateway/chat_job.h"

#include "gateway/call.h"
#include "gateway/relay.h"

#include <utility>

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

using namespace std::chrono_literals;

/// Reads what is left of a finished stream (its last chunk marker), so that the
/// connection can be used again.
net::Task<> drain(std::unique_ptr<net::UpstreamReply> reply) {
    const base::Time by = base::Clock::now() + 1s;
    for (;;) {
        auto bytes = co_await reply->next(by);
        if (!bytes || bytes->empty()) co_return;
    }
}

net::Task<std::optional<Failure>> answer_whole(Session& session, const config::Target& target,
                                               const llm::ChatRequest& request,
                                               const llm::Dialect& dialect,
                                               const llm::Upstream& upstream, OpenCall& call) {
    auto body = co_await read_whole(call);
    if (!body) co_return body.error();
    const std::vector<llm::Header> no_headers;
    auto answer = dialect.answer(request, upstream, {call.reply->head().status, no_headers, *body},
                                 base::WallClock::now());
    if (!answer) co_return answer.error();
    session.record->served_by = target.alias;
    session.record->usage = answer->usage;
    session.step().outcome = Outcome::served;
    if (!co_await session.answer(200, "application/json", answer->body)) co_return client_left();
    co_return std::nullopt;
}

}  // namespace

net::Task<std::optional<Failure>> ChatJob::call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) {
    const config::Target& target = *candidate.target;
    const Way& way = session.ways->to(target);
    attempted_ = std::make_unique<Attempted>();
    std::vector<std::string>& drop = attempted_->drop;
    drop = session.lane.shared.rejects.of(target.id);
    drop.insert(drop.end(), target.drop.begin(), target.drop.end());
    llm::Upstream& upstream = attempted_->upstream;
    upstream = {target.provider,
                target.alias,
                candidate.model,
                target.capabilities.reasoning,
                !target.capabilities.stated || target.capabilities.json_schema,
                target.max_output_tokens,
                way.defaults,
                way.overrides,
                drop,
                target.allow};
    const llm::Dialect& dialect = llm::dialect(request_.endpoint, upstream);
    auto prepared = dialect.call(request_, upstream);
    if (!prepared) {
        session.step().skip = route::Skip::unsupported;
        co_return Failure{.outcome = Outcome::unsupported, .detail = prepared.error().detail};
    }
    session.step().changes = std::move(prepared->changes);
    const std::string_view accept =
        request_.stream ? "text/event-stream, application/json" : "application/json";
    auto open = co_await open_call(
        session, target, trial,
        {.path = std::move(prepared->path), .body = prepared->body, .accept = accept});
    if (!open) co_return open.error();
    if (!request_.stream)
        co_return co_await answer_whole(session, target, request_, dialect, upstream, *open);
    attempted_->decoder = dialect.stream(request_, upstream, base::WallClock::now());
    llm::StreamDecoder& decoder = *attempted_->decoder;
    auto failure = co_await relay(session, *open, decoder, target, trial.committed);
    attempted_->shown = trial.committed;
    if (trial.committed) session.record->usage = decoder.usage();
    if (!failure && !open->reply->ended()) {
        open->reply->detach();
        session.lane.worker.tasks.spawn(drain(std::move(open->reply)), [] {});
    }
    co_return failure;
}

std::optional<std::string> ChatJob::broken(std::string_view error) {
    if (!attempted_ || !attempted_->shown) return std::nullopt;
    std::string frames;
    attempted_->decoder->broken(error, frames);
    return frames;
}

}  // namespace gateway
