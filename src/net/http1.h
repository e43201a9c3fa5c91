#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// HTTP/1.1 messages as bytes (RFC 9110, 9112). Pure: no sockets. The server side
/// refuses every shape on which two parsers could disagree.
namespace net {

/// Bounds of one message head.
inline constexpr std::size_t kMaxHead = 32u << 10;
inline constexpr std::size_t kMaxHeaders = 100;
inline constexpr std::size_t kMaxTarget = 8u << 10;

/// A header to be sent.
struct Header {
    std::string_view name;
    std::string_view value;
};

/// Names and values point into the head's own bytes.
class Headers {
public:
    std::string_view get(std::string_view name) const;  ///< first of that name, or empty
    bool has(std::string_view name) const;
    const std::vector<Header>& all() const { return list_; }

private:
    friend struct HeadParser;
    std::vector<Header> list_;
};

/// How the body after a head is delimited.
enum class Framing { none, length, chunked, until_close };

struct RequestHead {
    std::string bytes;  ///< owner of all views
    std::string_view method;
    std::string_view target;  ///< as sent
    std::string_view path;    ///< of origin-form or absolute-form, undecoded, without query
    std::string_view query;
    Headers headers;
    bool keep_alive = true;
    bool http10 = false;
    bool expect_continue = false;
    Framing framing = Framing::none;
    std::uint64_t content_length = 0;

    RequestHead() = default;
    RequestHead(const RequestHead&) = delete;
    RequestHead& operator=(const RequestHead&) = delete;
};

struct ResponseHead {
    std::string bytes;
    int status = 0;
    Headers headers;
    bool keep_alive = true;
    std::optional<base::Duration> kept_for;  ///< as `Keep-Alive: timeout=5` states
    Framing framing = Framing::none;
    std::uint64_t content_length = 0;

    ResponseHead() = default;
    ResponseHead(const ResponseHead&) = delete;
    ResponseHead& operator=(const ResponseHead&) = delete;
};

/// Why a request head is refused: the status to answer with (400, 414, 417, 431,
/// 505) before the connection is closed.
struct Refusal {
    int status = 400;
    std::string_view reason;
};

/// Length of the head at the start of `bytes` including its empty line, 0 while
/// incomplete. A line that ends in a bare LF also ends the search: the parser
/// then refuses the head.
std::size_t head_length(std::string_view bytes, std::size_t already_searched);

/// Reads `bytes` (exactly one head) into `head`.
std::optional<Refusal> parse(std::string bytes, RequestHead& head);

/// `bodiless`: the answer to HEAD. Fails with ErrorKind::protocol.
base::Result<void> parse(std::string bytes, ResponseHead& head, bool bodiless);

/// Decodes a chunked body in place. Trailers are read and dropped.
class ChunkDecoder {
public:
    /// Moves the payload of `bytes` together at its start; `used` receives how many
    /// bytes of the input were consumed (all, unless the body ended inside).
    base::Result<std::size_t> decode(char* bytes, std::size_t size, std::size_t& used);
    bool done() const { return state_ == State::done; }

private:
    enum class State {
        size,
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer,
        trailer_line,
        trailer_lf,
        last_lf,
        done
    };
    base::Result<void> step(char c);

    State state_ = State::size;
    std::uint64_t left_ = 0;
    int digits_ = 0;
    std::size_t overhead_ = 0;  ///< extension and trailer bytes, bounded
};

/// Appends `NAME: VALUE\r\n`. The caller has made sure that the value has no CR or LF.
void append_header(std::string& out, std::string_view name, std::string_view value);

std::string_view reason_phrase(int status);

/// True if the bytes may stand in a header value (no CR, LF, NUL).
bool valid_header_value(std::string_view value);

}  // namespace net
