#include "gateway/handle_audio.h"

#include "gateway/auth.h"
#include "gateway/handle.h"
#include "gateway/serve.h"
#include "gateway/speech_job.h"
#include "gateway/transcribe_job.h"
#include "llm/audio_length.h"
#include "net/aside.h"

#include <fmt/format.h>

namespace gateway {

namespace {

base::Result<bool> flag(std::string_view name, std::string_view value) {
    if (value.empty() || value == "false" || value == "0") return false;
    if (value == "true" || value == "1") return true;
    return base::fail(base::ErrorKind::bad_input, fmt::format("`{}` must be true or false.", name));
}

/// What the form's fields ask. bad_input names the field.
base::Result<llm::TranscriptionRequest> read_request(const Form& form, bool translate) {
    llm::TranscriptionRequest request;
    request.translate = translate;
    request.model = form.text("model");
    if (request.model.empty())
        return base::fail(base::ErrorKind::bad_input,
                          "`model` is missing: name the model that shall listen.");
    if (const std::string_view format = form.text("response_format"); !format.empty()) {
        const auto known = llm::transcript_format(format);
        if (!known)
            return base::fail(base::ErrorKind::bad_input,
                              "`response_format` must be one of json, text, srt, verbose_json, "
                              "vtt, diarized_json.");
        request.format = *known;
    }
    auto stream = flag("stream", form.text("stream"));
    if (!stream) return std::unexpected(stream.error());
    request.stream = *stream && !translate;
    auto diarization = flag("diarization", form.text("diarization"));
    if (!diarization) return std::unexpected(diarization.error());
    request.diarization = *diarization;
    for (const FormPart& part : form.parts) {
        const std::string& name = part.head.name;
        if (part.file() || name == "model" || name == "response_format" || name == "stream" ||
            name == "diarization")
            continue;
        request.fields.emplace_back(name, part.value);
    }
    return request;
}

FormPart* recording(Form& form) {
    for (FormPart& part : form.parts)
        if (part.head.name == "file" && part.file() && part.blob.size() > 0) return &part;
    return nullptr;
}

const base::Error kNoFile{base::ErrorKind::bad_input,
                          "`file` is missing or empty: send the recording as a file, with a "
                          "filename."};

net::Task<> listen(Lane& lane, net::Exchange& exchange, bool translate) {
    Session session(lane, exchange);
    const config::Settings& settings = session.catalog->settings;
    if (auto refused = refused_unread(settings, exchange))
        co_return co_await session.refuse(*refused);

    if (auto full = take_place(session)) co_return co_await session.refuse(*std::move(full));
    const net::Executor executor = lane.worker.loop.get_executor();
    auto form = co_await read_form(executor, exchange, lane.shared.upload_folder,
                                   settings.max_upload_bytes);
    if (!form) co_return co_await session.refuse(unreadable(form.error()));
    auto request = read_request(*form, translate);
    if (!request) co_return co_await session.refuse(unreadable(request.error()));
    session.record->asked = request->model;
    FormPart* file = recording(*form);
    if (!file) co_return co_await session.refuse(unreadable(kNoFile));
    const llm::AudioLength length = co_await net::aside(executor, net::Beside::disk, [file] {
        return llm::audio_length(file->blob.size(), [file](std::uint64_t at, std::size_t most) {
            return file->blob.read(at, most);
        });
    });
    session.ask.model = request->model;
    session.ask.mode = config::Mode::audio_transcription;
    session.ask.audio_seconds = length.seconds;
    session.total_by = base::Clock::now() + settings.total;  // the upload had its own time
    TranscribeJob job(std::move(*request), std::move(*file),
                      length.exact ? std::optional<double>(length.seconds) : std::nullopt);
    session.job = &job;
    co_await serve(session);
}

}  // namespace

net::Task<> handle_transcription(Lane& lane, net::Exchange& exchange) {
    return listen(lane, exchange, false);
}

net::Task<> handle_translation(Lane& lane, net::Exchange& exchange) {
    return listen(lane, exchange, true);
}

net::Task<> handle_speech(Lane& lane, net::Exchange& exchange) {
    Session session(lane, exchange);
    const config::Settings& settings = session.catalog->settings;
    if (auto refused = refused_unread(settings, exchange))
        co_return co_await session.refuse(*refused);

    auto body = co_await exchange.read_body(settings.max_body_bytes);
    if (!body) co_return co_await session.refuse(unreadable(body.error()));
    auto parsed = llm::parse_speech(std::move(*body));
    if (!parsed) co_return co_await session.refuse(unreadable(parsed.error()));
    session.record->asked = parsed->model;
    session.ask.model = parsed->model;
    session.ask.mode = config::Mode::audio_speech;
    session.ask.prompt_bytes = parsed->input.size();
    session.ask.characters = static_cast<double>(parsed->characters);
    SpeechJob job(std::move(*parsed));
    session.job = &job;
    co_await serve(session);
}

}  // namespace gateway
