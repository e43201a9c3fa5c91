#include "llm/speech.h"

#include "base/base64.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/splice.h"
#include "llm/sse.h"
#include "llm/take_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace llm {

using base::ErrorKind;
using base::fail;
using base::Provider;
using base::Result;

namespace {

constexpr std::size_t kLongestOpenai = 4096;
constexpr std::array<std::string_view, 8> kFormats{"mp3", "opus", "aac",   "flac",
                                                   "wav", "pcm",  "mulaw", "ogg"};

Result<void> read_text(std::string_view key, std::string_view value, std::string& into) {
    auto text = json::text(value);
    if (!text) return fail(ErrorKind::bad_input, fmt::format("`{}` must be a string.", key));
    into = std::move(*text);
    return {};
}

Result<void> take(SpeechRequest& request, std::string_view key, std::string_view value) {
    if (key == "model") return read_text(key, value, request.model);
    if (key == "input") return read_text(key, value, request.input);
    if (value == "null") return {};
    if (key == "voice") {
        if (value.starts_with('{')) value = json::member(value, "id");
        return read_text(key, value, request.voice);
    }
    if (key == "response_format") return read_text(key, value, request.format);
    if (key != "stream_format") return {};
    const auto text = json::text(value);
    if (!text || (*text != "sse" && *text != "audio"))
        return fail(ErrorKind::bad_input, "`stream_format` must be \"audio\" or \"sse\".");
    request.events = *text == "sse";
    return {};
}

/// Whether the provider's model can speak in that format.
bool gives(const Upstream& upstream, std::string_view format) {
    const auto one_of = [&](std::initializer_list<std::string_view> list) {
        return std::find(list.begin(), list.end(), format) != list.end();
    };
    switch (upstream.provider) {
        case Provider::openai: return one_of({"mp3", "opus", "aac", "flac", "wav", "pcm"});
        case Provider::groq: return one_of({"flac", "mp3", "mulaw", "ogg", "wav"});
        case Provider::openrouter: return one_of({"mp3", "pcm"});
        default: return true;
    }
}

/// Of a request that does not say.
constexpr const char* kUsualFormat = "\"mp3\"";
constexpr const char* kUsualVoice = "\"alloy\"";

}  // namespace

Result<SpeechRequest> parse_speech(std::string body) {
    SpeechRequest request;
    request.body = std::move(body);
    json::Cursor in(request.body);
    if (in.peek() != '{') return fail(ErrorKind::bad_input, "The body must be a JSON object.");
    std::string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        const std::string_view value = in.value();
        if (in.failed()) break;
        const auto at = [&](const char* place) {
            return static_cast<std::size_t>(place - request.body.data());
        };
        const std::size_t end = at(value.data() + value.size());
        request.members.push_back(
            {json::unescape(key), {at(key.data()) - 1, end}, {at(value.data()), end}});
        if (auto taken = take(request, request.members.back().key, value); !taken)
            return std::unexpected(taken.error());
    }
    if (!in.complete())
        return fail(ErrorKind::bad_input,
                    fmt::format("The body is not valid JSON (byte {}).", in.position()));
    if (request.model.empty())
        return fail(ErrorKind::bad_input, "`model` is missing: name the model that shall speak.");
    if (request.input.find_first_not_of(" \t\r\n") == std::string::npos)
        return fail(ErrorKind::bad_input, "`input` is missing or blank: send the text to speak.");
    if (std::find(kFormats.begin(), kFormats.end(), request.format) == kFormats.end())
        return fail(ErrorKind::bad_input,
                    "`response_format` must be one of mp3, opus, aac, flac, wav, pcm.");
    request.characters = static_cast<std::size_t>(
        std::count_if(request.input.begin(), request.input.end(),
                      [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    return request;
}

Result<SpeechCall> speech_call(const SpeechRequest& request, const Upstream& upstream) {
    if (!gives(upstream, request.format))
        return fail(ErrorKind::unsupported,
                    fmt::format("{} can't speak in {}", upstream.model, request.format));
    const bool openai = upstream.provider == Provider::openai;
    if (openai && request.characters > kLongestOpenai)
        return fail(ErrorKind::unsupported,
                    fmt::format("{} takes at most {} characters, the input has {}", upstream.model,
                                kLongestOpenai, request.characters));
    const bool old = openai && upstream.model.starts_with("tts-1");
    SpeechCall call;
    call.events = request.events && openai && !old;
    Splice splice(request.body);
    ObjectEdit edit(splice, request.body);
    const std::string_view text = request.body;
    const auto part = [&](Span span) { return text.substr(span.begin, span.end - span.begin); };
    const std::string voice =
        mapped_voice(request.voice, voice_family(upstream.provider, upstream.model));
    const auto dropped = [&](const Member& member) {
        if (member.key == "stream_format") return !call.events;
        if (member.key == "instructions" && old) return true;
        if (std::any_of(upstream.overrides.begin(), upstream.overrides.end(),
                        [&](const Extra& extra) { return extra.key == member.key; }))
            return true;
        return std::find(upstream.drop.begin(), upstream.drop.end(), member.key) !=
               upstream.drop.end();
    };
    for (const Member& member : request.members) {
        if (dropped(member)) {
            edit.remove(part(member.whole));
            if (member.key != "stream_format") call.changes.push_back("removed " + member.key);
            continue;
        }
        edit.keep(part(member.whole));
        if (json::blank(part(member.value))) {
            if (member.key == "response_format") splice.replace(part(member.value), kUsualFormat);
            if (member.key == "voice" && openai) splice.replace(part(member.value), kUsualVoice);
        }
        if (member.key == "model") splice.replace(part(member.value), json::quote(upstream.model));
        if (member.key == "voice" && !request.voice.empty() && voice != request.voice) {
            splice.replace(part(member.value), json::quote(voice));
            call.changes.push_back("voice " + request.voice + " became " + voice);
        }
    }
    if (!request.find("response_format")) edit.add("response_format", kUsualFormat);
    if (!request.find("voice") && openai) edit.add("voice", kUsualVoice);
    for (const Extra& extra : upstream.defaults)
        if (!request.find(extra.key)) edit.add(extra.key, extra.json);
    for (const Extra& extra : upstream.overrides) edit.add(extra.key, extra.json);
    edit.finish();
    call.body = splice.apply();
    return call;
}

std::string_view speech_type(std::string_view format) {
    if (format == "mp3") return "audio/mpeg";
    if (format == "opus" || format == "ogg") return "audio/ogg";
    if (format == "aac") return "audio/aac";
    if (format == "flac") return "audio/flac";
    if (format == "wav") return "audio/wav";
    return format == "mulaw" ? "audio/basic" : "audio/pcm";
}

namespace {

/// Bytes of audio as events; a base64 group never stands over two of them.
class AudioDecoder : public StreamDecoder {
public:
    std::optional<Failure> feed(std::string_view bytes, std::string& out) override {
        if (bytes.empty()) return std::nullopt;
        committed_ = true;
        out += R"(data: {"type":"speech.audio.delta","audio":")" + base::base64(bytes) + "\"}\n\n";
        return std::nullopt;
    }
    std::optional<Failure> finish(std::string& out) override {
        if (!committed_) return malformed("an empty recording");
        out += "data: {\"type\":\"speech.audio.done\"}\n\n";
        done_ = true;
        return std::nullopt;
    }
    void broken(std::string_view error, std::string& out) override {
        out += "event: error\ndata: " + std::string(error) + "\n\ndata: [DONE]\n\n";
    }
};

/// OpenAI's own events, which pass.
class SpeechEvents : public AudioDecoder {
public:
    SpeechEvents(const Upstream& upstream, base::WallTime now)
        : provider_(upstream.provider), now_(now) {}

    std::optional<Failure> feed(std::string_view bytes, std::string& out) override {
        return take_events(reader_, bytes, *this,
                           [&](const SseReader::Event& event) { return take(event, out); });
    }
    std::optional<Failure> finish(std::string& out) override {
        if (auto failure =
                take_last_events(reader_, *this, out,
                                 [&](const SseReader::Event& event) { return take(event, out); }))
            return failure;
        if (done_) return std::nullopt;
        return malformed("the stream ended before the speech was whole");
    }

private:
    std::optional<Failure> take(const SseReader::Event& event, std::string& out) {
        if (event.data.empty() || event.data == "[DONE]") return std::nullopt;
        const std::string_view error = json::member(event.data, "error");
        const std::string type = json::text(json::member(event.data, "type")).value_or("");
        if (type == "error" || (!error.empty() && error != "null"))
            return classify_embedded(provider_, event.data, now_);
        out += event.raw;
        done_ = type == "speech.audio.done";
        committed_ = committed_ || done_ || type == "speech.audio.delta";
        return std::nullopt;
    }

    base::Provider provider_;
    base::WallTime now_;
    SseReader reader_;
};

}  // namespace

std::unique_ptr<StreamDecoder> speech_events(const Upstream& upstream, bool events,
                                             base::WallTime now) {
    if (events) return std::make_unique<SpeechEvents>(upstream, now);
    return std::make_unique<AudioDecoder>();
}

}  // namespace llm
