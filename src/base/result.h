#pragma once

#include <expected>
#include <string>
#include <utility>

namespace base {

/// What went wrong, as far as our own code must tell cases apart. One function
/// per use maps a kind to an HTTP status (gateway/errors.h) or a log level.
enum class ErrorKind {
    internal,     ///< a bug of ours
    bad_input,    ///< the caller sent something that can't be read
    too_large,    ///< a stated bound was passed (header, body, queue)
    not_found,    ///< no such file, alias, record
    refused,      ///< not allowed: key, bind address, redirect
    unsupported,  ///< legal, but this dialect or target has no word for it
    connect,      ///< name lookup, connect or proxy failed
    tls,          ///< handshake or certificate refused
    reset,        ///< the peer closed or reset before the message was whole
    timed_out,    ///< a deadline passed
    protocol,     ///< the peer sent bytes that are not what it promised
    gone,         ///< our own client left
    io,           ///< file or system call
    busy,         ///< in use, and the line for it is full or the caller does not wait
};

/// `detail` is for logs and answers: it never contains a key or a prompt.
struct Error {
    ErrorKind kind = ErrorKind::internal;
    std::string detail;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string detail) {
    return std::unexpected(Error{kind, std::move(detail)});
}

}  // namespace base
