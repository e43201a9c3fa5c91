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
    auto prepared =
        continuation_ ? continuation_->call(upstream) : dialect.call(request_, upstream);
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
    const base::WallTime now = base::WallClock::now();
    session.step().carried_on = continuation_ && continuation_->begun();
    attempted_->decoder = continuation_ ? continuation_->stream(upstream, now)
                                        : dialect.stream(request_, upstream, now);
    llm::StreamDecoder& decoder = *attempted_->decoder;
    auto failure = co_await relay(session, *open, decoder, target, trial.committed);
    attempted_->shown = trial.committed;
    if (trial.committed) session.record->usage = decoder.usage();
    if (trial.committed && failure && continuation_) continuation_->broke(decoder.usage());
    if (!failure && !open->reply->ended()) {
        open->reply->detach();
        session.lane.worker.tasks.spawn(drain(std::move(open->reply)), [] {});
    }
    co_return failure;
}

bool ChatJob::can_go_on() const {
    return continuation_ && !request_.wants_json_schema && continuation_->can_go_on();
}

namespace {

/// Whether a target goes on with an assistant's message that stands last, where its
/// configuration does not say: OpenAI's own and Cohere's answer anew.
bool takes_prefix(const config::Target& target) {
    if (target.capabilities.prefill) return *target.capabilities.prefill;
    if (target.capabilities.agent) return false;
    switch (target.provider) {
        case base::Provider::anthropic:
        case base::Provider::groq:
        case base::Provider::mistral:
        case base::Provider::ollama:
        case base::Provider::openrouter: return true;
        default: return target.engine.has_value();
    }
}

}  // namespace

std::string_view ChatJob::unfit(const config::Target& target) const {
    const bool begun = continuation_ && continuation_->begun();
    return begun && !takes_prefix(target) ? "it does not carry on an answer that has begun" : "";
}

std::optional<std::string> ChatJob::broken(std::string_view error) {
    if (continuation_ && continuation_->begun()) {
        std::string frames;
        continuation_->broken(error, frames);
        return frames;
    }
    if (!attempted_ || !attempted_->shown) return std::nullopt;
    std::string frames;
    attempted_->decoder->broken(error, frames);
    return frames;
}

}  // namespace gateway
