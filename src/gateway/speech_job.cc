#include "gateway/speech_job.h"

#include "gateway/call.h"
#include "gateway/relay.h"
#include "llm/classify.h"
#include "llm/payload.h"
#include "llm/usage_json.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

/// The audio's own type; an upstream that says nothing of use leaves it to the format.
std::string type_of(const net::ResponseHead& head, std::string_view format) {
    const std::string_view stated = head.headers.get("content-type");
    const bool audio = has_type(head, "audio/") && net::valid_header_value(stated);
    return std::string(audio ? stated : llm::speech_type(format));
}

/// Bytes as they come: read, write, read the next. The first byte commits.
/// Samples without a head of their own are told how fast they are.
std::optional<net::Header> sample_rate(const net::ResponseHead& head) {
    constexpr std::string_view kName = "X-Sample-Rate";
    const std::string_view rate = head.headers.get(kName);
    if (rate.empty()) return std::nullopt;
    return net::Header{kName, rate};
}

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
            if (!co_await session.begin_stream(type, sample_rate(call.reply->head())))
                co_return client_left();
        }
        if (!co_await session.exchange.write(*bytes)) co_return client_left();
    }
    if (!committed)
        co_return Failure{.outcome = Outcome::malformed, .detail = "an empty recording"};
    if (!co_await session.exchange.end_stream()) co_return client_left();
    co_return std::nullopt;
}

/// Whether the body may be audio: it states so, or nothing of use.
bool may_be_audio(const net::ResponseHead& head) {
    return base::trim(head.headers.get("content-type")).empty() || has_type(head, "audio/") ||
           has_type(head, "application/octet-stream");
}

/// What came in place of audio, mostly an error with a good status.
net::Task<Failure> read_other(const config::Target& target, OpenCall& call) {
    const std::string type(call.reply->head().headers.get("content-type"));
    auto body = co_await read_whole(call);
    if (!body) co_return body.error();
    if (base::trim(*body).starts_with('{'))
        co_return llm::classify_embedded(target.provider, *body, base::WallClock::now());
    co_return llm::malformed(base::shown(type, 100) + " came in place of audio");
}

/// No speech states its tokens.
llm::Usage usage_of(const llm::SpeechRequest& request) {
    llm::Usage usage;
    usage.prompt = llm::estimated_tokens(request.input.size());
    usage.characters = static_cast<double>(request.characters);
    usage.estimated = true;
    return usage;
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
    const bool events = request_.events && has_type(head, "text/event-stream");
    if (!events && !may_be_audio(head)) co_return co_await read_other(target, *open);
    std::optional<Failure> failure;
    if (request_.events) {
        decoder_ = llm::speech_events(upstream, events, base::WallClock::now());
        failure = co_await relay(session, *open, *decoder_, target, trial.committed);
    } else {
        cut_ = &session.exchange;
        failure = co_await relay_audio(session, *open, target, request_.format, trial.committed);
    }
    if (trial.committed) session.record->usage = usage_of(request_);
    co_return failure;
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
