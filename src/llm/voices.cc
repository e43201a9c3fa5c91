#include "llm/speech.h"

#include <algorithm>
#include <array>

namespace llm {
namespace {

/// One voice by its names in each family: alike in sex and manner, as far as each has one. The
/// voice that a family takes by itself is the other's too.
struct Alike {
    std::string_view openai;
    std::string_view tts1;
    std::string_view kokoro;
    std::string_view qwen3;
};

/// A name stands in several rows where another family has more voices: the first one counts.
constexpr std::array kAlike{
    Alike{"alloy", "alloy", "af_heart", "alloy"},  Alike{"ash", "ash", "am_fenrir", "echo"},
    Alike{"ballad", "fable", "bm_lewis", "fable"}, Alike{"cedar", "onyx", "am_michael", "echo"},
    Alike{"coral", "coral", "af_bella", "alloy"},  Alike{"echo", "echo", "am_echo", "echo"},
    Alike{"fable", "fable", "bm_fable", "fable"},  Alike{"marin", "nova", "af_aoede", "alloy"},
    Alike{"nova", "nova", "af_nova", "alloy"},     Alike{"onyx", "onyx", "am_onyx", "echo"},
    Alike{"sage", "sage", "af_sarah", "alloy"},    Alike{"shimmer", "shimmer", "af_sky", "alloy"},
    Alike{"verse", "echo", "am_puck", "fable"},    Alike{"alloy", "alloy", "af_alloy", "alloy"},
};

/// Kokoro's names: language, sex, underscore, name.
bool kokoro_name(std::string_view voice) {
    return voice.size() > 3 && voice[2] == '_' &&
           std::string_view("abefhijpz").find(voice[0]) != std::string_view::npos &&
           (voice[1] == 'f' || voice[1] == 'm');
}

std::string_view in(const Alike& row, VoiceFamily family) {
    switch (family) {
        case VoiceFamily::kokoro: return row.kokoro;
        case VoiceFamily::qwen3: return row.qwen3;
        case VoiceFamily::tts1: return row.tts1;
        default: return row.openai;
    }
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
    if (provider == base::Provider::openai)
        return model.starts_with("tts-1") ? VoiceFamily::tts1 : VoiceFamily::openai;
    if (model.find("kokoro") != std::string_view::npos) return VoiceFamily::kokoro;
    if (model.find("qwen3-tts") != std::string_view::npos) return VoiceFamily::qwen3;
    return VoiceFamily::unknown;
}

std::vector<std::string_view> openai_voices(std::string_view model) {
    const VoiceFamily family = voice_family(base::Provider::openai, model);
    std::vector<std::string_view> names;
    for (const Alike& row : kAlike) names.push_back(in(row, family));
    std::ranges::sort(names);
    const auto repeated = std::ranges::unique(names);
    names.erase(repeated.begin(), repeated.end());
    return names;
}

std::string mapped_voice(std::string_view voice, VoiceFamily family) {
    if (family == VoiceFamily::unknown || known(voice, family)) return std::string(voice);
    for (const Alike& row : kAlike)
        if (row.openai == voice || row.kokoro == voice) return std::string(in(row, family));
    // Another language or an unlisted name: at least a voice of the same sex.
    if (kokoro_name(voice)) {
        const bool man = voice[1] == 'm';
        if (family == VoiceFamily::openai || family == VoiceFamily::tts1)
            return man ? "onyx" : "nova";
        return man ? "echo" : "alloy";
    }
    // A voice that somebody cloned there has any name.
    return family == VoiceFamily::qwen3 ? std::string(voice) : default_voice(family);
}

}  // namespace llm
