#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// The head of one part of multipart/form-data.
struct PartHead {
    std::string name;
    std::optional<std::string> filename{};  ///< given: the part is a file
    std::string content_type{};             ///< empty: not stated
};

/// The boundary that a Content-Type states. bad_input: it is not multipart/form-data, or its
/// boundary is missing or malformed.
base::Result<std::string> boundary_of(std::string_view content_type);

/// Takes multipart/form-data (RFC 7578, RFC 2046) apart as it comes; bytes may be cut anywhere.
/// Holds no more than what may be the beginning of a delimiter, and a part's head. Pure.
///
///     reader.feed(bytes);
///     while (true) {
///         auto event = reader.next();         // an error: the body can't be read
///         if (!event || event->kind == MultipartReader::Kind::more) …
///     }
class MultipartReader {
public:
    enum class Kind {
        more,  ///< nothing until more bytes come; after the last boundary: for ever
        part,  ///< a part begins: part() is its head
        data,  ///< bytes of it, valid until the next call
        end,   ///< it is whole
    };
    struct Event {
        Kind kind = Kind::more;
        std::string_view data{};
    };

    static constexpr std::size_t kMostParts = 256;
    static constexpr std::size_t kMostHead = 16u << 10;
    static constexpr std::size_t kMostPreamble = 64u << 10;

    explicit MultipartReader(std::string_view boundary);

    void feed(std::string_view bytes);
    base::Result<Event> next();
    const PartHead& part() const { return part_; }
    /// The closing boundary was there: what follows does not matter.
    bool done() const { return state_ == State::done; }

private:
    enum class State { preamble, boundary, head, data, done };
    base::Result<Event> preamble();
    base::Result<Event> after_boundary();
    base::Result<Event> head();
    base::Result<Event> data();
    std::string_view left() const { return std::string_view(buffer_).substr(begin_); }

    std::string delimiter_;  ///< CRLF, two dashes, boundary
    std::string buffer_;
    std::size_t begin_ = 0;  ///< of what is not yet taken
    std::size_t parts_ = 0;
    State state_ = State::preamble;
    PartHead part_;
};

/// Appends the delimiter and head of a part; its bytes and CRLF follow.
void append_part(std::string& out, std::string_view boundary, const PartHead& head);
/// Appends a whole part that is no file.
void append_field(std::string& out, std::string_view boundary, std::string_view name,
                  std::string_view value);
/// Appends the closing boundary.
void append_closing(std::string& out, std::string_view boundary);

}  // namespace llm
