#pragma once

#include "llm/usage.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// How a client wants a transcript (OpenAI's response_format).
enum class TranscriptFormat { json, text, srt, verbose_json, vtt, diarized_json };
std::string_view name(TranscriptFormat format);
std::optional<TranscriptFormat> transcript_format(std::string_view name);
/// The Content-Type of an answer in that format, as OpenAI has it.
std::string_view content_type(TranscriptFormat format);
/// It says when what was said.
constexpr bool timed(TranscriptFormat format) {
    return format != TranscriptFormat::json && format != TranscriptFormat::text;
}

/// What was said, whoever wrote it down.
struct Transcript {
    struct Segment {
        double start = 0;  ///< seconds
        double end = 0;
        std::string text;
        std::string speaker;  ///< empty: not told
    };
    std::string task = "transcribe";
    std::string text;
    std::string language;
    std::optional<double> duration;  ///< seconds
    std::vector<Segment> segments;
    std::string words;  ///< a JSON array as it came, or empty
    std::string usage;  ///< a JSON object as it came, or empty
    Usage used;
};

/// Reads an answer of any provider's transcription endpoint: OpenAI's json, verbose_json and
/// diarized_json, Groq's, talkies' (channels are speakers), Mistral's, Cohere's. nullopt: it is
/// no transcript.
std::optional<Transcript> read_transcript(std::string_view json);
/// The same of its `usage` alone.
Usage audio_usage(std::string_view usage_json);

/// The transcript as the client wants it. nullopt: the format needs times, and neither segments
/// nor a duration are known.
std::optional<std::string> write_transcript(const Transcript& transcript, TranscriptFormat format);

}  // namespace llm
