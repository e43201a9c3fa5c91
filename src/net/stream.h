#pragma once

#include "base/result.h"
#include "net/asio.h"
#include "net/deadlines.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace net {

/// A connected byte stream, plain or TLS, whose operations end at a deadline.
/// Failures: timed_out, reset (peer closed or reset), gone (abort() was called).
/// Lives on one worker's thread; at most one read and one write at a time.
class Stream {
public:
    Stream(Socket socket, Deadlines& deadlines);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Becomes TLS. As a client: sends `host` as SNI and verifies the certificate
    /// for it by what the context trusts. Fails with tls.
    /// `session` (may be null) is offered for resumption.
    Task<base::Result<void>> handshake_client(asio::ssl::context& context, std::string host,
                                              base::Time deadline, SSL_SESSION* session);
    Task<base::Result<void>> handshake_server(asio::ssl::context& context, base::Time deadline);

    /// At least one byte. EOF is ErrorKind::reset with `eof()` true.
    Task<base::Result<std::size_t>> read_some(asio::mutable_buffer into, base::Time deadline);
    /// All of the pieces, in one system call where the kernel takes them.
    Task<base::Result<void>> write(std::array<std::string_view, 3> pieces, base::Time deadline);

    /// Ends whatever waits and all that comes, a hang-up watch too.
    void abort();
    bool eof() const { return eof_; }
    bool tls() const { return ssl_.has_value(); }

    /// Calls `ring` once when the peer closes or resets while nobody reads, also behind
    /// bytes not yet read (a pipelined request), or when abort() is called. Looks every
    /// 200 ms: an exchange that is over sooner pays nothing for it.
    void watch_hangup(std::function<void()> ring);
    void unwatch_hangup() { ring_ = nullptr; }

    /// The peer closed, or (plain connections) sent something: what it has to say comes before
    /// what we are writing is read.
    bool answers_early();
    /// Ends the write that is under way; what comes can still be read.
    void stop_writing();

    /// The peer has neither closed nor sent anything: fit to carry another request.
    bool quiet();

    Socket& socket() { return socket_; }
    asio::ssl::stream<Socket&>& ssl() { return *ssl_; }

private:
    bool peer_closed();
    void look_for_hangup();
    base::Error explain(const error_code& error);
    /// Starts an operation; an error if it may not start.
    std::optional<base::Error> begin(base::Time deadline);

    Socket socket_;
    std::optional<asio::ssl::stream<Socket&>> ssl_;
    Deadlines::Alarm alarm_;
    Deadlines::Alarm watch_alarm_;
    bool late_ = false;
    bool aborted_ = false;
    bool eof_ = false;
    std::function<void()> ring_;
};

}  // namespace net
