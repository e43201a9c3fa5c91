#include "gateway/transcribe_job.h"

#include "gateway/call.h"
#include "gateway/relay.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

net::Task<std::optional<Failure>> answer_whole(Session& session, const config::Target& target,
                                               const llm::TranscriptionRequest& request,
                                               const llm::TranscriptionCall& call,
                                               const llm::Upstream& upstream,
                                               std::optional<double> seconds, OpenCall& open) {
    auto body = co_await read_whole(open);
    if (!body) co_return body.error();
    auto answer = llm::transcription_answer(request, call, upstream, std::move(*body), seconds,
                                            base::WallClock::now());
    if (!answer) co_return answer.error();
    session.record->served_by = target.alias;
    session.record->usage = answer->usage;
    session.step().outcome = Outcome::served;
    const std::string_view type = llm::content_type(request.format);
    if (!co_await session.answer(200, type, answer->body)) co_return client_left();
    co_return std::nullopt;
}

}  // namespace

net::Task<std::optional<Failure>> TranscribeJob::call(Session& session,
                                                      const route::Candidate& candidate,
                                                      Trial& trial) {
    const config::Target& target = *candidate.target;
    decoder_.reset();
    std::vector<std::string> drop;
    const llm::Upstream upstream = upstream_of(session, candidate, drop);
    const bool speakers = !target.capabilities.stated || target.capabilities.diarization ||
                          target.provider == base::Provider::mistral;
    auto prepared = llm::transcription_call(request_, upstream, speakers);
    if (!prepared) co_return no_word(session, prepared.error());
    session.step().changes = prepared->changes;
    FormBody form;
    for (const auto& [name, value] : prepared->fields) form.add(name, value);
    llm::PartHead head = file_.head;
    head.name = "file";
    form.add_file(head, file_.blob);
    form.close();
    auto open = co_await open_call(
        session, target, trial,
        {.path = prepared->path,
         .body = {},
         .content_type = form.content_type(),
         .accept = prepared->stream ? "text/event-stream, application/json" : "*/*",
         .at_root = prepared->at_root,
         .pieces = form.pieces(),
         .streams = prepared->stream && target.provider != base::Provider::openai_compatible});
    if (!open) co_return open.error();
    if (!request_.stream)
        co_return co_await answer_whole(session, target, request_, *prepared, upstream, seconds_,
                                        *open);
    decoder_ = llm::transcription_stream(*prepared, upstream,
                                         has_type(open->reply->head(), "text/event-stream"),
                                         base::WallClock::now());
    auto failure = co_await relay(session, *open, *decoder_, target, trial.committed);
    if (trial.committed) session.record->usage = decoder_->usage();
    if (session.record->usage.audio_seconds <= 0 && seconds_)
        session.record->usage.audio_seconds = *seconds_;
    co_return failure;
}

std::optional<std::string> TranscribeJob::broken(std::string_view error) {
    if (!decoder_) return std::nullopt;
    std::string frames;
    decoder_->broken(error, frames);
    return frames;
}

}  // namespace gateway
