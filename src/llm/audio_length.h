#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace llm {

/// How long a recording is, in seconds.
struct AudioLength {
    double seconds = 0;
    bool exact = false;  ///< its own header says it; else guessed from its size, rather too long
};

/// At most `most` bytes of the recording from `at` on.
using AudioBytes = std::function<std::string(std::uint64_t at, std::size_t most)>;

/// Reads the headers of WAV, FLAC, Ogg and MP4 (m4a); guesses MP3 by its bit rate and all else by
/// a low usual one.
AudioLength audio_length(std::uint64_t size, const AudioBytes& bytes);

}  // namespace llm
