#pragma once

#include "llm/dialect.h"
#include "llm/json.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace llm {

/// Some of the choices of an answer, by number; those above share the last place.
class ChoiceSet {
public:
    void add(std::uint64_t choice) { bits_ |= bit(choice); }
    void add(ChoiceSet others) { bits_ |= others.bits_; }
    bool has(std::uint64_t choice) const { return (bits_ & bit(choice)) != 0; }
    bool all_in(ChoiceSet others) const { return (bits_ & ~others.bits_) == 0; }

private:
    static std::uint64_t bit(std::uint64_t choice) {
        return std::uint64_t{1} << std::min<std::uint64_t>(choice, 63);
    }
    std::uint64_t bits_ = 0;
};

/// What a gateway must know of one OpenAI answer or chunk, read in one pass.
/// Views are JSON values inside the text; empty where the member is missing.
struct Payload {
    /// How a choice ended.
    struct End {
        std::uint64_t choice;
        std::string_view reason;
    };

    std::string_view id;
    std::string_view created;
    std::string_view model;
    std::string_view error;       ///< at the top or in a choice; never `null`
    std::string_view usage;       ///< never `null`
    std::string_view null_usage;  ///< the value where it is `null`
    std::string_view x_groq;
    std::string_view finish_reason;  ///< of the last choice that has one
    std::string_view first_text;     ///< the first string content
    std::vector<End> ends;
    std::vector<std::string_view> part_lists;  ///< content given as an array of parts
    std::size_t choices = 0;
    std::size_t content_bytes = 0;  ///< of the words and calls alone, however they are cut
    ChoiceSet speaking;             ///< choices with something that a client would show or run
    ChoiceSet calling;              ///< those with calls of tools
    bool calls = false;             ///< of tools
    bool content = false;           ///< something that a client would show or run

    /// False: `text` is not one JSON object.
    bool read(std::string_view text);

private:
    /// What one message or delta says.
    struct Said {
        bool content = false;
        bool calls = false;
        std::size_t thinking = 0;  ///< bytes; several members may say the same
    };

    void choice(json::Cursor& in);
    void message(json::Cursor& in, Said& said);
    bool note_content(std::string_view value);
};

/// The finish reason in OpenAI's words, as JSON, for `reason` as JSON of a choice that called
/// tools or not. Empty: it is right as it stands.
std::string_view proper_reason(std::string_view reason, bool calls);

/// An answer that comes as one JSON body where a stream was asked for is at most this long.
inline constexpr std::size_t kLongestBody = 64u << 20;

/// The bytes of content that a JSON value holds: a string, an array or an object without its
/// brackets; nothing else is content.
std::size_t content_size(std::string_view value);

/// A failure of a reply that had status 200.
Failure malformed(std::string detail);

/// Why an answer or a finished stream without any content can't be served; empty
/// answers cut off by the token bound can.
std::optional<Failure> empty_answer(std::string_view finish_reason);

/// Mistral's list of parts as what follows `"content":` in OpenAI's shape: the
/// text, and its thinking as `reasoning_content`.
std::string flatten_parts(std::string_view parts);

}  // namespace llm
