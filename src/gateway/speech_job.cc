#include "gateway/speech_job.h"

#include "gateway/call.h"
#include "gateway/relay.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

/// The audio's own type; an upstream that says nothing of use leaves it to the format.
std::string type_of(const net::ResponseHead& head, std::string_view format) {
    const std::string_view stated = head.headers.get("content-type");
    const bool audio = stated.starts_with("audio/") && net::valid_header_value(stated);
    return std::string(audio ? stated : llm::speech_type(format));
}

/// Bytes as they come: read, write, read the next. The first byte commits.
net::Task<std::optional<Failure>> relay_audio(Session& session, OpenCall& call,
                                              const config::Target& target, std::string_view format,
                                              bool& committed) {
    const std::string type = type_of(call.reply->head(), format);
    for (;;) {
        const base::Time by =
            committed ? std::min(call.limits.attempt_by, base::Clock::now() + call.limits.gap)
                      : call.limits.first_by;
        auto bytes = co_await call.reply->next(by);
        if (!bytes) co_return transport_failure(bytes.error());
        if (bytes->empty()) break;
        if (!committed) {
            committed = true;
            session.record->served_by = target.alias;
            session.lane.shared.benches.served(target, base::Clock::now());
            session.step().outcome = Outcome::served;
            if (!co_await session.begin_stream(type)) co_return client_left();
        }
        if (!co_await session.exchange.write(*bytes)) co_return client_left();
    }
    if (!committed)
        co_return Failure{.outcome = Outcome::malformed, .detail = "an empty recording"};
    if (!co_await session.exchange.end_stream()) co_return client_left();
    co_return std::nullopt;
}

bool has_type(const net::ResponseHead& head, std::string_view type) {
    return head.headers.get("content-type").starts_with(type);
}

}  // namespace

net::Task<std::optional<Failure>> SpeechJob::call(Session& session,
                                                  const route::Candidate& candidate, Trial& trial) {
    const config::Target& target = *candidate.target;
    decoder_.reset();
    std::vector<std::string> drop;
    const llm::Upstream upstream = upstream_of(session, candidate, drop);
    auto prepared = llm::speech_call(request_, upstream);
    if (!prepared) co_return no_word(session, prepared.error());
    session.step().changes = prepared->changes;
    auto open = co_await open_call(session, target, trial,
                                   {.path = "/audio/speech",
                                    .body = prepared->body,
                                    .accept = prepared->events ? "text/event-stream" : "*/*",
                                    .streams = false});
    if (!open) co_return open.error();
    const net::ResponseHead& head = open->reply->head();
    const bool events = has_type(head, "text/event-stream");
    if (has_type(head, "application/json")) {
        auto body = co_await read_whole(*open);
        if (!body) co_return body.error();
        co_return Failure{.outcome = Outcome::malformed, .detail = "JSON came in place of audio"};
    }
    if (!request_.events) {
        cut_ = &session.exchange;
        co_return co_await relay_audio(session, *open, target, request_.format, trial.committed);
    }
    decoder_ = llm::speech_events(upstream, events, base::WallClock::now());
    co_return co_await relay(session, *open, *decoder_, target, trial.committed);
}

std::optional<std::string> SpeechJob::broken(std::string_view error) {
    std::string frames;
    if (decoder_) {
        decoder_->broken(error, frames);
    } else if (cut_) {
        cut_->mark_gone();
    } else {
        return std::nullopt;
    }
    return frames;
}

}  // namespace gateway
