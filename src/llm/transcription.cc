#include "llm/transcription.h"

#include "base/units.h"
#include "llm/chunks.h"
#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/sse.h"
#include "llm/take_events.h"

#include <algorithm>
#include <initializer_list>

namespace llm {

using base::ErrorKind;
using base::fail;
using base::Provider;
using base::Result;
using Format = TranscriptFormat;

namespace {

/// What a kind of target takes and gives. Formats it lacks are made from `richest`.
struct Abilities {
    std::initializer_list<Format> formats;
    Format richest = Format::json;
    std::initializer_list<std::string_view> fields{};  ///< empty: whatever the client sent
    bool names_format = true;                          ///< has a response_format
    bool streams = false;
    bool translates = false;
    std::string_view speakers{};  ///< its field that tells speakers apart; empty: it can't
};

const Abilities kWhisper{
    {Format::json, Format::text, Format::srt, Format::verbose_json, Format::vtt},
    Format::verbose_json,
    {"language", "prompt", "temperature", "timestamp_granularities[]"},
    true,
    false,
    true};
const Abilities kTranscribe{{Format::json},
                            Format::json,
                            {"language", "languages[]", "keywords[]", "prompt", "temperature",
                             "include[]", "chunking_strategy"},
                            true,
                            true};
const Abilities kDiarize{{Format::json, Format::diarized_json},
                         Format::diarized_json,
                         {"language", "temperature", "chunking_strategy", "known_speaker_names[]",
                          "known_speaker_references[]"},
                         true,
                         true};
const Abilities kGroq{{Format::json, Format::text, Format::verbose_json},
                      Format::verbose_json,
                      {"language", "prompt", "temperature", "timestamp_granularities[]"},
                      true,
                      false,
                      true};
const Abilities kMistral{{},
                         Format::json,
                         {"language", "temperature", "context_bias[]", "timestamp_granularities[]"},
                         false,
                         true,
                         false,
                         "diarize"};
const Abilities kCohere{{}, Format::json, {"language", "temperature"}, false};
const Abilities kCompatible{
    {Format::json, Format::text, Format::srt, Format::verbose_json, Format::vtt},
    Format::verbose_json,
    {},
    true,
    true,
    true,
    "diarization"};

const Abilities& abilities_of(const Upstream& upstream) {
    switch (upstream.provider) {
        case Provider::groq: return kGroq;
        case Provider::mistral: return kMistral;
        case Provider::cohere: return kCohere;
        case Provider::openai:
            if (upstream.model.starts_with("whisper")) return kWhisper;
            return upstream.model.find("diarize") != std::string_view::npos ? kDiarize
                                                                            : kTranscribe;
        default: return kCompatible;
    }
}

template <class List, class T>
bool has(const List& list, const T& what) {
    return std::find(list.begin(), list.end(), what) != list.end();
}

std::string no_word(std::string_view what, const Upstream& upstream) {
    return std::string(upstream.model) + " can't " + std::string(what);
}

/// Why the target can't serve the request at all; empty: it can.
std::string lacking(const TranscriptionRequest& request, const Abilities& can,
                    const Upstream& upstream, bool speakers) {
    if (request.translate && !can.translates) return no_word("translate recordings", upstream);
    const bool told = !can.speakers.empty() || has(can.formats, Format::diarized_json);
    if ((request.diarization || request.format == Format::diarized_json) && (!told || !speakers))
        return no_word("tell speakers apart", upstream);
    if (upstream.provider == Provider::openai && can.streams && timed(request.format) &&
        !has(can.formats, request.format))
        return no_word("say when something was said: ask for json or text", upstream);
    if (upstream.provider == Provider::cohere && request.text("language").empty())
        return no_word("guess the language: state `language`", upstream);
    return {};
}

void copy_fields(const TranscriptionRequest& request, const Abilities& can,
                 const Upstream& upstream, TranscriptionCall& call) {
    std::vector<std::string> removed;
    for (const auto& [key, value] : request.fields) {
        const bool known = can.fields.size() == 0 || has(can.fields, std::string_view(key)) ||
                           has(upstream.allow, key);
        if (known && !has(upstream.drop, key))
            call.fields.emplace_back(key, value);
        else if (!has(removed, key))
            removed.push_back(key);
    }
    for (const std::string& key : removed) call.changes.push_back("removed " + key);
}

/// A member that the configuration adds, as a field's text.
void add_extras(const Upstream& upstream, TranscriptionCall& call) {
    const auto set = [&](const Extra& extra, bool always) {
        const auto same = [&](const auto& field) { return field.first == extra.key; };
        if (std::any_of(call.fields.begin(), call.fields.end(), same)) {
            if (!always) return;
            std::erase_if(call.fields, same);
        }
        call.fields.emplace_back(extra.key,
                                 json::text(extra.json).value_or(std::string(extra.json)));
        call.changes.push_back("added " + std::string(extra.key));
    };
    for (const Extra& extra : upstream.defaults) set(extra, false);
    for (const Extra& extra : upstream.overrides) set(extra, true);
}

}  // namespace

Result<TranscriptionCall> transcription_call(const TranscriptionRequest& request,
                                             const Upstream& upstream, bool speakers) {
    const Abilities& can = abilities_of(upstream);
    if (std::string why = lacking(request, can, upstream, speakers); !why.empty())
        return fail(ErrorKind::unsupported, std::move(why));
    TranscriptionCall call;
    call.path = request.translate ? "/audio/translations" : "/audio/transcriptions";
    if (upstream.provider == Provider::cohere) {
        call.path = "/v2/audio/transcriptions";
        call.at_root = true;
    }
    call.fields.emplace_back("model", upstream.model);
    copy_fields(request, can, upstream, call);
    const bool native = has(can.formats, request.format);
    // In a stream the events are the format.
    const Format wanted = request.stream && !timed(request.format) ? Format::json : request.format;
    call.asked = native || request.stream ? wanted : timed(wanted) ? can.richest : Format::json;
    if (!has(can.formats, call.asked)) call.asked = timed(wanted) ? can.richest : Format::json;
    if (call.asked != request.format)
        call.changes.push_back("asked for " + std::string(name(call.asked)));
    if (can.names_format) call.fields.emplace_back("response_format", name(call.asked));
    if (upstream.provider == Provider::mistral && timed(request.format) &&
        request.text("timestamp_granularities[]").empty()) {
        call.fields.emplace_back("timestamp_granularities[]", "segment");
        call.changes.push_back("added timestamp_granularities[]");
    }
    if (!can.speakers.empty() && (request.diarization || request.format == Format::diarized_json))
        call.fields.emplace_back(can.speakers, "true");
    call.stream = request.stream && can.streams;
    if (call.stream) call.fields.emplace_back("stream", "true");
    add_extras(upstream, call);
    return call;
}

namespace {

bool is_error(std::string_view body) {
    return !json::member(body, "error").empty() || !json::member(body, "detail").empty();
}

bool is_plain(Format format) {
    return format == Format::text || format == Format::srt || format == Format::vtt;
}

bool is_object(std::string_view body) {
    json::Cursor whole(body);
    return whole.peek() == '{' && whole.skip() && whole.complete();
}

/// Whether a body may be a transcript in a format that is plain text.
bool looks_like(Format format, std::string_view body) {
    std::string_view text = base::trim(body);
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    if (format == Format::vtt) return text.starts_with("WEBVTT");
    if (format == Format::srt) return text.contains("-->");
    return !base::icontains(text.substr(0, 9), "<!doctype") &&
           !base::icontains(text.substr(0, 5), "<html");
}

/// Whether the body itself is the transcript: some answer in JSON although they were asked for
/// text.
bool came_plain(Format asked, std::string_view body) { return is_plain(asked) && !is_object(body); }

std::expected<Transcript, Failure> transcript_of(Format asked, const Upstream& upstream,
                                                 const std::string& body, base::WallTime now) {
    if (came_plain(asked, body)) {
        if (!looks_like(asked, body))
            return std::unexpected(
                malformed("the answer is no transcript in " + std::string(name(asked))));
        Transcript transcript;
        transcript.text = body;
        return transcript;
    }
    auto transcript = read_transcript(body);
    if (transcript) return std::move(*transcript);
    if (is_error(body)) return std::unexpected(classify_embedded(upstream.provider, body, now));
    return std::unexpected(malformed("the answer is no transcript"));
}

}  // namespace

std::expected<Answer, Failure> transcription_answer(const TranscriptionRequest& request,
                                                    const TranscriptionCall& call,
                                                    const Upstream& upstream, std::string body,
                                                    std::optional<double> length,
                                                    base::WallTime now) {
    auto transcript = transcript_of(call.asked, upstream, body, now);
    if (!transcript) return std::unexpected(transcript.error());
    if (request.translate) transcript->task = "translate";
    Usage used = transcript->used;
    if (used.audio_seconds <= 0 && length) used.audio_seconds = *length;
    if (call.asked == request.format && abilities_of(upstream).names_format &&
        came_plain(call.asked, body) == is_plain(call.asked))
        return Answer{std::move(body), used};
    if (!transcript->duration) transcript->duration = length;
    auto written = write_transcript(*transcript, request.format);
    if (!written)
        return std::unexpected(
            Failure{.outcome = Outcome::unsupported,
                    .detail = "it says nothing about when something was said, which " +
                              std::string(name(request.format)) + " needs"});
    return Answer{std::move(*written), used};
}

namespace {

/// What every decoder of a transcript's stream does the same.
class Decoder : public StreamDecoder {
public:
    Decoder(const Upstream& upstream, base::WallTime now)
        : provider_(upstream.provider), now_(now) {}

    void broken(std::string_view error, std::string& out) override {
        out += "event: error\ndata: " + std::string(error) + "\n\ndata: [DONE]\n\n";
    }

protected:
    static void event(std::string& out, std::string_view type, std::string_view members) {
        const std::size_t begin = out.size();
        out += "data: {\"type\":\"" + std::string(type) + "\"";
        if (!members.empty()) out += ',' + std::string(members);
        make_one_line(out, begin);
        out += "}\n\n";
    }
    void delta(std::string& out, std::string_view text) {
        if (text.empty()) return;
        event(out, "transcript.text.delta", "\"delta\":" + json::quote(text));
        committed_ = true;
    }
    void end(std::string& out, std::string_view text, std::string_view usage) {
        std::string members = "\"text\":" + json::quote(text);
        if (!usage.empty()) members += ",\"usage\":" + std::string(usage);
        event(out, "transcript.text.done", members);
        committed_ = done_ = true;
    }

    base::Provider provider_;
    base::WallTime now_;
};

/// A whole answer as two events.
class WholeDecoder : public Decoder {
public:
    WholeDecoder(const TranscriptionCall& call, const Upstream& upstream, base::WallTime now)
        : Decoder(upstream, now), call_(call), upstream_(upstream) {}

    std::optional<Failure> feed(std::string_view bytes, std::string&) override {
        constexpr std::size_t kMost = 64u << 20;
        if (body_.size() + bytes.size() > kMost) return malformed("the answer is too large");
        body_ += bytes;
        return std::nullopt;
    }
    std::optional<Failure> finish(std::string& out) override {
        auto transcript = transcript_of(call_.asked, upstream_, body_, now_);
        if (!transcript) return transcript.error();
        usage_ = transcript->used;
        std::string usage = transcript->usage;
        delta(out, transcript->text);
        end(out, transcript->text, usage);
        return std::nullopt;
    }

private:
    TranscriptionCall call_;
    Upstream upstream_;
    std::string body_;
};

/// Events of OpenAI, which pass, and of Mistral, which are translated.
class EventDecoder : public Decoder {
public:
    using Decoder::Decoder;

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
        return malformed("the stream ended before the transcript was whole");
    }

private:
    std::optional<Failure> take(const SseReader::Event& event, std::string& out) {
        if (event.data.empty() || event.data == "[DONE]") return std::nullopt;
        json::Cursor whole(event.data);
        if (event.data.front() != '{' || !whole.skip() || !whole.complete())
            return malformed("an event of the stream is not one JSON object");
        const std::string type = json::text(json::member(event.data, "type")).value_or("");
        const std::string_view error = json::member(event.data, "error");
        if (type == "error" || (!error.empty() && error != "null"))
            return classify_embedded(provider_, event.data, now_);
        if (type.starts_with("transcript.")) {
            out += event.raw;
            committed_ =
                committed_ || type == "transcript.text.delta" || type == "transcript.text.segment";
            if (type == "transcript.text.done") {
                usage_ = audio_usage(json::member(event.data, "usage"));
                committed_ = done_ = true;
            }
        } else if (type == "transcription.text.delta") {
            const std::string text = json::text(json::member(event.data, "text")).value_or("");
            text_ += text;
            delta(out, text);
        } else if (type == "transcription.segment") {
            segment(out, event.data);
        } else if (type == "transcription.done") {
            const std::string_view usage = json::member(event.data, "usage");
            usage_ = audio_usage(usage);
            const std::string text = json::text(json::member(event.data, "text")).value_or(text_);
            end(out, text, usage.starts_with('{') ? usage : std::string_view());
        }
        return std::nullopt;
    }

    void segment(std::string& out, std::string_view data) {
        std::string members = "\"id\":\"seg_" + std::to_string(segments_++) + '"';
        for (const std::string_view key : {"start", "end", "text"})
            if (const std::string_view value = json::member(data, key); !value.empty())
                members += ",\"" + std::string(key) + "\":" + std::string(value);
        if (const std::string_view who = json::member(data, "speaker_id"); who.starts_with('"'))
            members += ",\"speaker\":" + std::string(who);
        event(out, "transcript.text.segment", members);
        committed_ = true;
    }

    SseReader reader_;
    std::string text_;
    int segments_ = 0;
};

}  // namespace

std::unique_ptr<StreamDecoder> transcription_stream(const TranscriptionCall& call,
                                                    const Upstream& upstream, bool events,
                                                    base::WallTime now) {
    if (events) return std::make_unique<EventDecoder>(upstream, now);
    return std::make_unique<WholeDecoder>(call, upstream, now);
}

}  // namespace llm
