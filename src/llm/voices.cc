#include "llm/speech.h"

#include <algorithm>
#include <array>

namespace llm {
namespace {

/// One voice by its names in each family: alike in sex and manner, as far as each has one.
struct Alike {
    std::string_view openai;
    std::string_view kokoro;
    std::string_view qwen3;
};

constexpr std::array kAlike{
    Alike{"alloy", "af_alloy", "alloy"},  Alike{"ash", "am_fenrir", "echo"},
    Alike{"ballad", "bm_lewis", "fable"}, Alike{"cedar", "am_michael", "echo"},
    Alike{"coral", "af_bella", "alloy"},  Alike{"echo", "am_echo", "echo"},
    Alike{"fable", "bm_fable", "fable"},  Alike{"marin", "af_heart", "alloy"},
    Alike{"nova", "af_nova", "alloy"},    Alike{"onyx", "am_onyx", "echo"},
    Alike{"sage", "af_sarah", "alloy"},   Alike{"shimmer", "af_sky", "alloy"},
    Alike{"verse", "am_puck", "fable"},
};

/// Kokoro's names: language, sex, underscore, name.
bool kokoro_name(std::string_view voice) {
    return voice.size() > 3 && voice[2] == '_' &&
           std::string_view("abefhijpz").find(voice[0]) != std::string_view::npos &&
           (voice[1] == 'f' || voice[1] == 'm');
}

std::string_view in(const Alike& row, VoiceFamily family) {
    if (family == VoiceFamily::kokoro) return row.kokoro;
    return family == VoiceFamily::qwen3 ? row.qwen3 : row.openai;
}

bool known(std::string_view voice, VoiceFamily family) {
    if (family == VoiceFamily::kokoro) return kokoro_name(voice);
    return std::any_of(kAlike.begin(), kAlike.end(),
                       [&](const Alike& row) { return in(row, family) == voice; });
}

std::string default_voice(VoiceFamily family) {
    return family == VoiceFamily::kokoro ? "af_heart" : "alloy";
}

}  // namespace

VoiceFamily voice_family(base::Provider provider, std::string_view model) {
    if (provider == base::Provider::openai) return VoiceFamily::openai;
    if (model.find("kokoro") != std::string_view::npos) return VoiceFamily::kokoro;
    if (model.find("qwen3-tts") != std::string_view::npos) return VoiceFamily::qwen3;
    return VoiceFamily::unknown;
}

std::vector<std::string_view> openai_voices() {
    std::vector<std::string_view> names;
    for (const Alike& row : kAlike) names.push_back(row.openai);
    return names;
}

std::string mapped_voice(std::string_view voice, VoiceFamily family) {
    if (family == VoiceFamily::unknown || known(voice, family)) return std::string(voice);
    for (const Alike& row : kAlike)
        if (row.openai == voice || row.kokoro == voice) return std::string(in(row, family));
    // Another language or an unlisted name: at least a voice of the same sex.
    if (kokoro_name(voice)) {
        const bool man = voice[1] == 'm';
        if (family == VoiceFamily::openai) return man ? "onyx" : "nova";
        return man ? "echo" : "alloy";
    }
    return default_voice(family);
}

}  // namespace llm
