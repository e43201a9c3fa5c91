#include "llm/transcript.h"

#include "llm/json.h"
#include "llm/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace llm {
namespace {

constexpr std::array<std::string_view, 6> kNames{"json",         "text", "srt",
                                                 "verbose_json", "vtt",  "diarized_json"};

std::string text_of(std::string_view object, std::string_view key) {
    return json::text(json::member(object, key)).value_or("");
}

/// Whose segment it is, in any provider's word for it.
std::string speaker_of(std::string_view segment) {
    for (const std::string_view key : {"speaker", "speaker_id", "channel"}) {
        const std::string_view value = json::member(segment, key);
        if (auto text = json::text(value)) return *text;
        if (!value.empty() && value != "null") return std::string(value);
    }
    return {};
}

void read_segments(std::string_view array, Transcript& out) {
    json::Cursor in(array);
    if (array.empty() || !in.enter_array()) return;
    while (in.next_element()) {
        const std::string_view segment = in.value();
        const auto start = json::number(json::member(segment, "start"));
        const auto end = json::number(json::member(segment, "end"));
        if (start && end)
            out.segments.push_back({*start, *end, text_of(segment, "text"), speaker_of(segment)});
    }
}

std::string stamp(double seconds, char point) {
    const auto ms = static_cast<long long>(std::llround(std::max(0.0, seconds) * 1000));
    return fmt::format("{:02}:{:02}:{:02}{}{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60,
                       point, ms % 1000);
}

std::string_view trimmed(std::string_view text) {
    const std::size_t from = text.find_first_not_of(" \t\r\n");
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(" \t\r\n") + 1 - from);
}

std::string cues(const std::vector<Transcript::Segment>& segments, TranscriptFormat format) {
    const bool vtt = format == TranscriptFormat::vtt;
    const char point = vtt ? '.' : ',';
    std::string out = vtt ? "WEBVTT\n\n" : "";
    int number = 0;
    for (const Transcript::Segment& segment : segments) {
        if (!vtt) out += fmt::format("{}\n", ++number);
        out += fmt::format("{} --> {}\n{}{}{}\n\n", stamp(segment.start, point),
                           stamp(segment.end, point), segment.speaker,
                           segment.speaker.empty() ? "" : ": ", trimmed(segment.text));
    }
    return out;
}

std::string number(double value) { return fmt::format("{}", std::round(value * 1000) / 1000); }

std::string usage_of(const Transcript& transcript) {
    if (!transcript.usage.empty()) return transcript.usage;
    if (!transcript.duration) return {};
    return fmt::format(R"({{"type":"duration","seconds":{}}})", std::ceil(*transcript.duration));
}

std::string segments_json(const std::vector<Transcript::Segment>& segments, bool speakers) {
    std::string out = "[";
    std::size_t id = 0;
    for (const Transcript::Segment& segment : segments) {
        ObjectWriter one;
        if (speakers) {
            one.set("type", R"("transcript.text.segment")");
            one.set("id", fmt::format("\"seg_{:03}\"", id));
        } else {
            one.set("id", std::to_string(id));
            one.set("seek", "0");
        }
        one.set("start", number(segment.start));
        one.set("end", number(segment.end));
        one.set("text", json::quote(segment.text));
        if (!segment.speaker.empty()) one.set("speaker", json::quote(segment.speaker));
        out += (id++ == 0 ? "" : ",") + one.str();
    }
    return out + ']';
}

}  // namespace

std::string_view name(TranscriptFormat format) { return kNames[static_cast<std::size_t>(format)]; }

std::optional<TranscriptFormat> transcript_format(std::string_view name) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<TranscriptFormat>(found - kNames.begin());
}

std::string_view content_type(TranscriptFormat format) {
    switch (format) {
        case TranscriptFormat::text:
        case TranscriptFormat::srt:
        case TranscriptFormat::vtt: return "text/plain; charset=utf-8";
        default: return "application/json";
    }
}

Usage audio_usage(std::string_view usage) {
    Usage used;
    if (!usage.starts_with('{')) return used;
    const auto count = [&](std::string_view key) { return json::count(json::member(usage, key)); };
    const auto input = count("input_tokens");
    const auto prompt = count("prompt_tokens");
    used.prompt = input ? *input : prompt.value_or(0);
    const auto output = count("output_tokens");
    used.completion = output ? *output : count("completion_tokens").value_or(0);
    const auto seconds = json::number(json::member(usage, "seconds"));
    used.audio_seconds =
        seconds ? *seconds : json::number(json::member(usage, "prompt_audio_seconds")).value_or(0);
    used.known = input || prompt || used.audio_seconds > 0;
    return used;
}

std::optional<Transcript> read_transcript(std::string_view body) {
    json::Cursor whole(body);
    if (body.empty() || !whole.skip() || !whole.complete()) return std::nullopt;
    auto text = json::text(json::member(body, "text"));
    if (!text) return std::nullopt;
    Transcript out;
    out.text = std::move(*text);
    if (std::string task = text_of(body, "task"); !task.empty()) out.task = std::move(task);
    out.language = text_of(body, "language");
    out.duration = json::number(json::member(body, "duration"));
    read_segments(json::member(body, "segments"), out);
    const std::string_view words = json::member(body, "words");
    if (words.starts_with('[')) out.words = words;
    const std::string_view usage = json::member(body, "usage");
    if (usage.starts_with('{')) out.usage = usage;
    out.used = audio_usage(usage);
    if (!out.duration && out.used.audio_seconds > 0) out.duration = out.used.audio_seconds;
    if (out.duration && out.used.audio_seconds <= 0) out.used.audio_seconds = *out.duration;
    return out;
}

std::optional<std::string> write_transcript(const Transcript& transcript, TranscriptFormat format) {
    if (format == TranscriptFormat::text) return transcript.text + '\n';
    ObjectWriter out;
    const std::string usage = usage_of(transcript);
    if (format == TranscriptFormat::json) {
        out.set("text", json::quote(transcript.text));
        if (!usage.empty()) out.set("usage", usage);
        return out.str();
    }
    std::vector<Transcript::Segment> segments = transcript.segments;
    if (segments.empty() && !transcript.text.empty()) {
        if (!transcript.duration) return std::nullopt;
        segments.push_back({0, *transcript.duration, transcript.text, {}});
    }
    if (format == TranscriptFormat::srt || format == TranscriptFormat::vtt)
        return cues(segments, format);
    const bool speakers = format == TranscriptFormat::diarized_json;
    out.set("task", json::quote(transcript.task));
    if (!speakers) out.set("language", json::quote(transcript.language));
    const double end = segments.empty() ? 0 : segments.back().end;
    out.set("duration", number(transcript.duration.value_or(end)));
    out.set("text", json::quote(transcript.text));
    out.set("segments", segments_json(segments, speakers));
    if (!speakers && !transcript.words.empty()) out.set("words", transcript.words);
    if (!usage.empty()) out.set("usage", usage);
    return out.str();
}

}  // namespace llm
