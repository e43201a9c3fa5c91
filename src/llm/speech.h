#pragma once

#include "llm/dialect.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// A client's POST /audio/speech, parsed once.
struct SpeechRequest {
    std::string body;  ///< as the client sent it
    std::vector<Member> members;
    std::string model;
    std::string input;
    std::string voice;           ///< empty: not stated
    std::string format = "mp3";  ///< response_format
    bool events = false;         ///< stream_format: sse
    std::size_t characters = 0;  ///< of the input

    const Member* find(std::string_view key) const {
        for (const Member& member : members)
            if (member.key == key) return &member;
        return nullptr;
    }
};

/// bad_input names the member, what is wrong with it and what to send.
base::Result<SpeechRequest> parse_speech(std::string body);

struct SpeechCall {
    std::string body;
    bool events = false;  ///< the upstream sends OpenAI's speech events itself
    std::vector<std::string> changes;
};

/// How `request` is put to `upstream`: voices go by the names that it knows. unsupported: it has
/// no such format, or takes no text that long.
base::Result<SpeechCall> speech_call(const SpeechRequest& request, const Upstream& upstream);

/// The Content-Type of audio in that format, for an upstream that states none.
std::string_view speech_type(std::string_view format);

/// Audio as OpenAI's events (speech.audio.delta, speech.audio.done), for a client that asked for
/// them. `events`: the upstream sends them itself.
std::unique_ptr<StreamDecoder> speech_events(const Upstream& upstream, bool events,
                                             base::WallTime now);

/// A family of voices: the models that share one set of names.
enum class VoiceFamily { unknown, openai, tts1, kokoro, qwen3 };
VoiceFamily voice_family(base::Provider provider, std::string_view model);
/// The names that OpenAI's speech model `model` knows: its first ones lack some of the later.
std::vector<std::string_view> openai_voices(std::string_view model);
/// `voice` in the names of `family`: itself where that family (or an unknown one) has it, its
/// nearest relative, else that family's own default.
std::string mapped_voice(std::string_view voice, VoiceFamily family);

}  // namespace llm
