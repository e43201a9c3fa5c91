#include "llm/characters.h"

#include <cstdint>
#include <utility>

namespace llm {
namespace {

using std::string_view;

constexpr string_view kReplacement = "\xEF\xBF\xBD";
/// Halves of surrogate pairs are three bytes, of which this is the first.
constexpr char kHalf = '\xED';

std::uint32_t byte_at(string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

/// The half of a surrogate pair that stands at `at`, 0 if none does.
std::uint32_t half_at(string_view text, std::size_t at) {
    const std::uint32_t second = byte_at(text, at + 1);
    if (byte_at(text, at) != 0xED || second < 0xA0 || at + 3 > text.size()) return 0;
    return 0xD000 | (second & 0x3F) << 6 | (byte_at(text, at + 2) & 0x3F);
}

bool is_high(std::uint32_t half) { return half >= 0xD800 && half < 0xDC00; }

/// How many bytes at the end of `text` begin a character that is not whole.
std::size_t begun(string_view text) {
    if (text.size() >= 3 && is_high(half_at(text, text.size() - 3))) return 3;
    for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        const std::uint32_t byte = byte_at(text, text.size() - back);
        if (byte < 0x80) return 0;
        if (byte < 0xC0) continue;
        const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        return length > back ? back : 0;
    }
    return 0;
}

/// Pairs become one character, halves without their other U+FFFD.
std::string joined(string_view text) {
    std::string out;
    std::size_t at = 0;
    for (std::size_t half; (half = text.find(kHalf, at)) != text.npos;) {
        out.append(text, at, half - at);
        at = half;
        const std::uint32_t high = half_at(text, at);
        const std::uint32_t low = half_at(text, at + 3);
        if (high == 0) {
            out += text[at++];
        } else if (is_high(high) && low >= 0xDC00) {
            const std::uint32_t code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            for (std::uint32_t byte : {0xF0 | code >> 18, 0x80 | (code >> 12 & 0x3F),
                                       0x80 | (code >> 6 & 0x3F), 0x80 | (code & 0x3F)})
                out += static_cast<char>(byte);
            at += 6;
        } else {
            out += kReplacement;
            at += 3;
        }
    }
    return out.append(text, at);
}

}  // namespace

bool Characters::passes(string_view piece) const {
    return begun_.empty() && begun(piece) == 0 && piece.find(kHalf) == piece.npos;
}

std::string Characters::take(string_view piece) {
    begun_ += piece;
    const std::size_t whole = begun_.size() - begun(begun_);
    std::string out = joined(string_view(begun_).substr(0, whole));
    begun_.erase(0, whole);
    return out;
}

std::string Characters::rest() {
    return std::exchange(begun_, {}).empty() ? std::string() : std::string(kReplacement);
}

void WholeCharacters::give(Kind kind, string_view whole) {
    if (whole.empty()) return;
    switch (kind) {
        case kRefusal: return to_->refusal(whole);
        case kThinking: return to_->thinking(whole);
        default: return to_->text(whole);
    }
}

void WholeCharacters::end_words_but(Kind kind) {
    for (Kind other : {kText, kRefusal, kThinking})
        if (other != kind && words_[other].waits()) give(other, words_[other].rest());
}

void WholeCharacters::pass(Kind kind, string_view piece) {
    if (piece.empty()) return;
    end_words_but(kind);
    if (words_[kind].passes(piece)) return give(kind, piece);
    give(kind, words_[kind].take(piece));
}

void WholeCharacters::signature(string_view signature) {
    end_words_but(kKinds);
    to_->signature(signature);
}

void WholeCharacters::redacted_thinking(string_view data) {
    end_words_but(kKinds);
    to_->redacted_thinking(data);
}

void WholeCharacters::tool_call(string_view id, string_view name) {
    end_words_but(kKinds);
    calls_.emplace_back();
    to_->tool_call(id, name);
}

void WholeCharacters::arguments(std::size_t call, string_view fragment) {
    if (call >= calls_.size() || calls_[call].passes(fragment))
        return to_->arguments(call, fragment);
    to_->arguments(call, calls_[call].take(fragment));
}

void WholeCharacters::finish(string_view reason, string_view stop_sequence, const Usage& usage) {
    end_words_but(kKinds);
    for (std::size_t call = 0; call < calls_.size(); ++call)
        if (calls_[call].waits()) to_->arguments(call, calls_[call].rest());
    to_->finish(reason, stop_sequence, usage);
}

}  // namespace llm
