#include "llm/audio_length.h"

#include <algorithm>
#include <array>
#include <optional>

namespace llm {
namespace {

constexpr std::size_t kEdge = 64u << 10;  ///< bytes looked at, at the start and at the end
/// Speech in any codec rarely has less: what is held before a call errs on the large side.
constexpr double kLowBytesPerSecond = 4'000;

std::uint64_t little(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i)
        value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    return value;
}

std::uint64_t big(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

std::optional<double> wav(std::uint64_t size, std::string_view head) {
    if (head.size() < 12 || !head.starts_with("RIFF") || head.substr(8, 4) != "WAVE")
        return std::nullopt;
    double rate = 0;
    for (std::size_t at = 12; at + 8 <= head.size();) {
        const std::string_view chunk = head.substr(at, 4);
        const std::uint64_t length = little(head, at + 4, 4);
        if (chunk == "fmt ") rate = static_cast<double>(little(head, at + 16, 4));
        if (chunk == "data") {
            if (rate <= 0) return std::nullopt;
            // A recorder that streams leaves the length open.
            const std::uint64_t there = size - std::min<std::uint64_t>(size, at + 8);
            const std::uint64_t data = length == 0 ? there : std::min(length, there);
            return static_cast<double>(data) / rate;
        }
        at += 8 + static_cast<std::size_t>(length + length % 2);
    }
    return std::nullopt;
}

std::optional<double> flac(std::string_view head) {
    if (!head.starts_with("fLaC") || head.size() < 26) return std::nullopt;
    const std::uint64_t packed = big(head, 18, 8);
    const double rate = static_cast<double>(packed >> 44);
    const double samples = static_cast<double>(packed & 0xf'ffff'ffffULL);
    if (rate <= 0 || samples <= 0) return std::nullopt;
    return samples / rate;
}

std::optional<double> ogg(std::string_view head, std::string_view tail) {
    if (!head.starts_with("OggS")) return std::nullopt;
    double rate = 0;
    if (head.find("OpusHead") != std::string_view::npos) rate = 48'000;
    if (const std::size_t at = head.find("\x01vorbis"); rate <= 0 && at != std::string_view::npos)
        rate = static_cast<double>(little(head, at + 12, 4));
    const std::size_t last = tail.rfind("OggS");
    if (rate <= 0 || last == std::string_view::npos || last + 14 > tail.size()) return std::nullopt;
    return static_cast<double>(little(tail, last + 6, 8)) / rate;
}

std::optional<double> mp4(std::string_view part) {
    const std::size_t at = part.find("mvhd");
    if (at == std::string_view::npos || at + 36 > part.size()) return std::nullopt;
    const bool wide = part[at + 4] == 1;
    const double scale = static_cast<double>(big(part, at + (wide ? 24 : 16), 4));
    const double length = static_cast<double>(big(part, at + (wide ? 28 : 20), wide ? 8 : 4));
    if (scale <= 0 || length <= 0) return std::nullopt;
    return length / scale;
}

/// Bytes a second of the first MPEG audio frame.
std::optional<double> mp3_rate(std::string_view head) {
    static constexpr std::array<int, 15> kOne{0,   32,  40,  48,  56,  64,  80, 96,
                                              112, 128, 160, 192, 224, 256, 320};
    static constexpr std::array<int, 15> kTwo{0,  8,  16, 24,  32,  40,  48, 56,
                                              64, 80, 96, 112, 128, 144, 160};
    for (std::size_t at = 0; at + 4 <= head.size(); ++at) {
        const std::uint64_t frame = big(head, at, 4);
        const bool layer3 = (frame & 0xffe6'0000ULL) == 0xffe2'0000ULL;
        const std::size_t index = frame >> 12 & 15;
        if (!layer3 || index == 0 || index == 15 || (frame >> 10 & 3) == 3) continue;
        const bool first = (frame >> 19 & 3) == 3;
        return (first ? kOne : kTwo)[index] * 125.0;
    }
    return std::nullopt;
}

}  // namespace

AudioLength audio_length(std::uint64_t size, const AudioBytes& bytes) {
    const std::string head = bytes(0, kEdge);
    if (const auto exact = wav(size, head)) return {*exact, true};
    if (const auto exact = flac(head)) return {*exact, true};
    const std::string tail = size > kEdge ? bytes(size - kEdge, kEdge) : head;
    if (const auto exact = ogg(head, tail)) return {*exact, true};
    if (head.size() > 12 && head.compare(4, 4, "ftyp") == 0) {
        if (const auto exact = mp4(head)) return {*exact, true};
        if (const auto exact = mp4(tail)) return {*exact, true};
    }
    std::string_view audio = head;
    std::uint64_t skipped = 0;
    if (head.starts_with("ID3") && head.size() > 10) {
        for (std::size_t i = 6; i < 10; ++i)
            skipped = skipped << 7 | static_cast<unsigned char>(head[i] & 0x7f);
        skipped = std::min<std::uint64_t>(skipped + 10, size);
        audio.remove_prefix(
            static_cast<std::size_t>(std::min<std::uint64_t>(skipped, head.size())));
    }
    const bool mpeg = skipped > 0 || (big(head, 0, 2) & 0xffe6) == 0xffe2;
    const double left = static_cast<double>(size - skipped);
    if (mpeg)
        if (const auto rate = mp3_rate(audio)) return {left / *rate, false};
    return {left / kLowBytesPerSecond, false};
}

}  // namespace llm
