#include "gateway/chat_job.h"

#include "gateway/agent_box.h"
#include "gateway/agent_run.h"
#include "gateway/cache.h"
#include "gateway/call.h"
#include "gateway/fetch_image.h"
#include "gateway/relay.h"
#include "gateway/responses.h"
#include "llm/anthropic_rules.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

using namespace std::chrono_literals;

/// For all images of a request together.
constexpr base::Duration kImages{60s};

/// Reads what is left of a finished stream (its last chunk marker), so that the
/// connection can be used again.
net::Task<> drain(std::unique_ptr<net::UpstreamReply> reply) {
    const base::Time by = base::Clock::now() + 1s;
    for (;;) {
        auto bytes = co_await reply->next(by);
        if (!bytes || bytes->empty()) co_return;
    }
}

/// Another attempt may well get past a filter: such an answer is not kept.
bool filtered(const llm::Completion& answer) { return answer.finish_reason == "content_filter"; }

void keep_whole(Session& session, const config::Target& target, const llm::ChatRequest& request,
                const std::string& body) {
    if (!session.cache || !session.cache->write) return;
    const auto answer = llm::read_back(request, body);
    if (!answer || !filtered(*answer)) keep_answer(session, target, body);
}

net::Task<std::optional<Failure>> answer_whole(Session& session, const config::Target& target,
                                               const llm::ChatRequest& request,
                                               const llm::Dialect& dialect,
                                               const llm::Upstream& upstream, OpenCall& call) {
    auto body = co_await read_whole(call);
    if (!body) co_return body.error();
    const std::vector<llm::Header> no_headers;
    const int status = call.reply ? call.reply->head().status : 200;
    auto answer =
        dialect.answer(request, upstream, {status, no_headers, *body}, base::WallClock::now());
    if (!answer) co_return answer.error();
    session.record->served_by = target.alias;
    session.record->usage = answer->usage;
    session.step().outcome = Outcome::served;
    session.job->answered(session, answer->body);
    keep_whole(session, target, request, answer->body);
    if (!co_await session.answer(200, "application/json", answer->body)) co_return client_left();
    co_return std::nullopt;
}

/// Opens the call in the way of its target: an agent's command line, an agent's box, or any
/// other upstream.
net::Task<std::expected<OpenCall, Failure>> open_any(Session& session,
                                                     const route::Candidate& candidate,
                                                     Trial& trial, BoxVisit& visit,
                                                     Outgoing outgoing) {
    const config::Target& target = *candidate.target;
    if (target.native) return open_agent(session, candidate, trial, outgoing.body);
    if (visit.wanted()) return call_box(session, target, trial, visit, std::move(outgoing));
    return open_call(session, target, trial, std::move(outgoing));
}

/// Header lines of the client's that go along to the upstream.
std::string client_headers(const Session& session, const std::vector<std::string_view>& names) {
    std::string lines;
    for (const std::string_view name : names)
        for (const net::Header& header : session.exchange.head.headers.all())
            if (base::iequals(header.name, name)) net::append_header(lines, name, header.value);
    return lines;
}

constexpr std::string_view protocol_name(llm::Endpoint endpoint) {
    switch (endpoint) {
        case llm::Endpoint::chat: return "chat";
        case llm::Endpoint::completion: return "completion";
        case llm::Endpoint::responses: return "responses";
        case llm::Endpoint::messages: return "messages";
        case llm::Endpoint::ollama_chat: return "ollama_chat";
        case llm::Endpoint::ollama_generate: return "ollama_generate";
    }
    return "";
}

constexpr std::string_view call_type(llm::Endpoint endpoint) {
    switch (endpoint) {
        case llm::Endpoint::completion: return "text_completion";
        case llm::Endpoint::responses: return "responses";
        default: return "completion";
    }
}

/// Members by which an answer depends on more than the request.
constexpr std::array<std::string_view, 3> kStateful = {"previous_response_id", "conversation",
                                                       "background"};

}  // namespace

net::Task<std::optional<Failure>> ChatJob::call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) {
    const config::Target& target = *candidate.target;
    attempted_ = std::make_unique<Attempted>();
    llm::Upstream& upstream = attempted_->upstream;
    upstream = upstream_of(session, candidate, attempted_->drop);
    upstream.others_left = !trial.last;
    llm::Continuation* const carried = continuation_for(target);
    const bool takes_data = llm::protocol_of(upstream.provider) == llm::Protocol::ollama;
    if (takes_data && request_.wants_vision) {
        const base::Time by = std::min(session.total_by, base::Clock::now() + kImages);
        if (!images_) images_ = co_await inline_images(session, request_, by);
        if (!*images_ && images_->error().kind == base::ErrorKind::gone) co_return client_left();
        if (!*images_) co_return no_word(session, images_->error());
    }
    const llm::Dialect& dialect = llm::dialect(request_, upstream);
    auto prepared = carried ? carried->call(upstream) : dialect.call(request_, upstream);
    if (!prepared) co_return no_word(session, prepared.error());
    if (trial.affordable) llm::shorten_answer(*prepared, *trial.affordable);
    session.step().changes = std::move(prepared->changes);
    const std::string_view accept =
        request_.stream ? "text/event-stream, application/json" : "application/json";
    const std::string along = client_headers(session, prepared->client_headers);
    Outgoing outgoing{.path = std::move(prepared->path),
                      .body = prepared->body,
                      .accept = accept,
                      .headers = along};
    BoxVisit visit(session, target);
    auto open = co_await open_any(session, candidate, trial, visit, std::move(outgoing));
    if (!open) co_return open.error();
    if (!request_.stream)
        co_return visit.over(
            co_await answer_whole(session, target, request_, dialect, upstream, *open));
    const base::WallTime now = base::WallClock::now();
    session.step().carried_on = carried && carried->begun();
    attempted_->decoder =
        carried ? carried->stream(upstream, now) : dialect.stream(request_, upstream, now);
    recording_.reset();
    if (session.cache && session.cache->write && llm::changes_form(request_) &&
        !session.step().carried_on) {
        recording_.emplace(request_, target.alias, now);
        attempted_->decoder =
            std::make_unique<llm::RecordedDecoder>(std::move(attempted_->decoder), *recording_);
    }
    llm::StreamDecoder& decoder = *attempted_->decoder;
    auto failure = visit.over(co_await relay(session, *open, decoder, target, trial.committed));
    attempted_->shown = trial.committed;
    if (trial.committed) session.record->usage = decoder.usage();
    if (trial.committed && failure && carried) carried->broke(decoder.usage());
    if (!failure) keep_stream(session, target);
    if (!failure && open->reply && !open->reply->ended()) {
        open->reply->detach();
        session.lane.worker.tasks.spawn(drain(std::move(open->reply)), [] {});
    }
    co_return failure;
}

/// What an agent has begun to say nobody else carries on, and it carries on nobody's words.
llm::Continuation* ChatJob::continuation_for(const config::Target& target) {
    return continuation_ && !target.capabilities.agent ? &*continuation_ : nullptr;
}

bool ChatJob::can_go_on() const { return continuation_ && continuation_->can_go_on(); }

namespace {

/// Whether a target goes on with an assistant's message that stands last, where its
/// configuration does not say: OpenAI's own and Cohere's answer anew, Anthropic's newer ones
/// refuse.
bool takes_prefix(const config::Target& target) {
    if (target.capabilities.agent) return false;
    if (target.capabilities.prefill) return *target.capabilities.prefill;
    switch (target.provider) {
        case base::Provider::anthropic:
        case base::Provider::openrouter: return llm::anthropic::model_named(target.model).prefill();
        case base::Provider::groq:
        case base::Provider::mistral:
        case base::Provider::ollama: return true;
        default: return target.engine.has_value();
    }
}

}  // namespace

std::string_view ChatJob::unfit(const config::Target& target) const {
    const bool begun = continuation_ && continuation_->begun();
    return begun && !takes_prefix(target) ? "it does not carry on an answer that has begun" : "";
}

void ChatJob::keep_stream(Session& session, const config::Target& target) {
    if (!recording_) return;
    const auto answer = recording_->whole(session.record->usage);
    if (answer && !filtered(*answer))
        keep_answer(session, target,
                    llm::client_dialect(request_.endpoint).answer(request_, target.alias, *answer));
}

std::optional<Question> ChatJob::question(const Session& session) const {
    const bool stateless = std::ranges::none_of(kStateful, [this](auto key) { return has(key); });
    const bool messages = request_.endpoint == llm::Endpoint::messages;
    return Question{.protocol = protocol_name(request_.endpoint),
                    .call_type = call_type(request_.endpoint),
                    .body = request_.body,
                    .members = request_.members,
                    .keepable = stateless && (!request_.stream || llm::changes_form(request_)),
                    .repeated = request_.endpoint == llm::Endpoint::responses,
                    .headers = messages ? client_headers(session, {"anthropic-beta"}) : ""};
}

net::Task<bool> ChatJob::give(Session& session, const store::KeptAnswer& kept) {
    if (!may_be_referred_to(session.lane.shared, request_, kept.body)) co_return false;
    if (!request_.stream) co_return co_await Job::give(session, kept);
    const auto answer = llm::read_back(request_, kept.body);
    if (!answer) co_return false;
    const std::string frames =
        llm::as_stream(request_, kept.served_by, *answer, base::WallClock::now());
    if (co_await session.begin_stream() && co_await session.exchange.write(frames))
        co_await session.exchange.end_stream();
    co_return true;
}

void ChatJob::answered(Session& session, std::string_view whole) {
    keep_response(session.lane.shared, request_, whole);
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
