#pragma once

#include "base/result.h"
#include "net/http1.h"
#include "net/stream.h"
#include "net/worker.h"

#include <boost/asio/ssl/context.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace net {

/// Bounds of the way in. Defaults here and nowhere else.
struct ServerSettings {
    std::size_t max_connections = 10'000;    ///< per worker; further ones are closed at once
    base::Duration head_time{10'000};        ///< from a head's first byte to its end
    base::Duration keep_alive_time{75'000};  ///< between requests
    base::Duration body_stall{15'000};       ///< between two reads of a body
    base::Duration body_time{120'000};       ///< a whole body
    std::uint64_t slowest_body = 8u << 10;   ///< bytes a second that lengthen it for read_some()
    base::Duration write_stall{60'000};      ///< a client that reads nothing
};

/// One request and its answer. Lives in the connection's coroutine; used on its
/// worker's thread. Every write reports whether the client is still there.
class Exchange {
public:
    Exchange(Stream& stream, const ServerSettings& settings, std::string& buffer,
             const bool& draining)
        : stream_(stream), settings_(settings), buffer_(buffer), draining_(draining) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    RequestHead head;
    base::Time started = base::Clock::now();

    /// The whole body. too_large (past `limit`), timed_out (slow sender), reset or
    /// protocol. Call at most once.
    Task<base::Result<std::string>> read_body(std::size_t limit);

    /// The body in pieces, in place of read_body(): its next bytes, valid until the next call;
    /// empty at its end. The same failures and limits of each wait, but a body may take as long
    /// as it needs while it comes steadily. `limit`: of all pieces together.
    Task<base::Result<std::string_view>> read_some(std::uint64_t limit);

    /// A whole answer. `headers` values must be valid header values.
    Task<bool> respond(int status, std::span<const Header> headers, std::string_view content_type,
                       std::string_view body);

    /// An answer in pieces: chunked, or until close for HTTP/1.0.
    Task<bool> begin_stream(int status, std::span<const Header> headers,
                            std::string_view content_type);
    Task<bool> write(std::string_view bytes);
    Task<bool> end_stream();

    /// Calls `ring` when the client hangs up while an upstream is waited for.
    void watch_hangup(std::function<void()> ring) { stream_.watch_hangup(std::move(ring)); }
    void unwatch_hangup() { stream_.unwatch_hangup(); }

    /// The address at the other end of the connection; empty once that is gone.
    std::string peer() const;
    /// The connection is encrypted.
    bool tls() const { return stream_.tls(); }
    bool answered() const { return answered_; }
    bool streaming() const { return streaming_; }
    bool gone() const { return gone_; }
    void mark_gone() { gone_ = true; }
    int status() const { return status_; }
    /// After this answer the connection is closed (drain, error, unread body).
    void close_after() { keep_alive_ = false; }

private:
    friend class HttpServer;
    Task<bool> send(std::array<std::string_view, 3> pieces);
    std::string status_and_headers(int status, std::span<const Header> headers,
                                   std::string_view content_type) const;
    Task<base::Result<std::size_t>> fill(base::Time deadline);
    Task<base::Result<void>> begin_body(std::uint64_t limit);
    base::Result<std::size_t> decode_piece(std::uint64_t limit);
    Task<base::Result<std::string>> read_sized(std::size_t limit, base::Time deadline);
    Task<base::Result<std::string>> read_chunked(std::size_t limit, base::Time deadline);

    Stream& stream_;
    const ServerSettings& settings_;
    std::string& buffer_;   ///< bytes read past the head; the next request's stay in it
    const bool& draining_;  ///< the server's: answers then say `Connection: close`
    ChunkDecoder chunks_;
    std::uint64_t body_came_ = 0;  ///< payload that read_some() has handed out
    std::size_t piece_ = 0;        ///< bytes at the start of buffer_ that it handed out last
    base::Time body_begun_;
    bool body_ended_ = false;
    bool keep_after_body_ = true;
    bool keep_alive_ = true;
    bool body_read_ = false;
    bool answered_ = false;
    bool streaming_ = false;
    bool gone_ = false;
    int status_ = 0;
};

/// Serves one worker's connections. The handler answers each exchange; one that
/// answers nothing gives the client 500.
class HttpServer {
public:
    using Handler = std::function<Task<>(Exchange&)>;

    HttpServer(Worker& worker, const ServerSettings& settings, Handler handler,
               asio::ssl::context* tls);

    /// Binds with SO_REUSEPORT, so that each worker has an acceptor of its own.
    base::Result<std::uint16_t> listen(const std::string& host, std::uint16_t port);
    void start();

    /// No new connections; idle ones close; answers under way say `Connection: close`.
    void stop_accepting();
    std::size_t connections() const { return connections_; }

private:
    Task<> accept_loop();
    Task<> serve(std::shared_ptr<Stream> stream);
    Task<bool> read_head(Stream& stream, std::string& buffer, Exchange& exchange, bool first);
    Task<> refuse(Exchange& exchange, Refusal refusal);

    Worker& worker_;
    const ServerSettings& settings_;
    Handler handler_;
    asio::ssl::context* tls_;
    Acceptor acceptor_;
    std::size_t connections_ = 0;
    bool draining_ = false;
    std::list<Stream*> idle_;
};

/// TLS for the listener from PEM files. bad_input names the file and what is wrong.
base::Result<std::unique_ptr<asio::ssl::context>> server_tls(const std::string& certificate,
                                                             const std::string& key);

}  // namespace net
