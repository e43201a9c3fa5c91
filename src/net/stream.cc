#include "net/stream.h"

#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>

#include <poll.h>
#include <sys/socket.h>

namespace net {

using base::Error;
using base::ErrorKind;
using base::Result;

namespace {
constexpr base::Duration kLookEvery{200};
/// A cancel that falls between two steps of one operation is lost: it is repeated.
constexpr base::Duration kCancelAgain{20};
}  // namespace

Stream::Stream(Socket socket, Deadlines& deadlines)
    : socket_(std::move(socket)),
      alarm_(deadlines,
             [this] {
                 late_ = true;
                 error_code ignored;
                 socket_.cancel(ignored);
                 alarm_.set(base::Clock::now() + kCancelAgain);
             }),
      watch_alarm_(deadlines, [this] { look_for_hangup(); }) {}

std::optional<Error> Stream::begin(base::Time deadline) {
    if (aborted_) return Error{ErrorKind::gone, "the client left"};
    if (base::Clock::now() >= deadline)
        return Error{ErrorKind::timed_out, "the deadline has passed"};
    late_ = false;
    alarm_.set(deadline);
    return std::nullopt;
}

Error Stream::explain(const error_code& error) {
    if (aborted_) return {ErrorKind::gone, "the client left"};
    if (late_) return {ErrorKind::timed_out, "no progress within the time limit"};
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
        eof_ = true;
        return {ErrorKind::reset, "the connection was closed"};
    }
    return {ErrorKind::reset, error.message()};
}

Task<Result<void>> Stream::handshake_client(asio::ssl::context& context, std::string host,
                                            base::Time deadline, SSL_SESSION* session) {
    ssl_.emplace(socket_, context);
    if (session) SSL_set_session(ssl_->native_handle(), session);
    if (auto early = begin(deadline)) co_return std::unexpected(*early);
    SSL_set_tlsext_host_name(ssl_->native_handle(), host.c_str());
    ssl_->set_verify_mode(asio::ssl::verify_peer);
    ssl_->set_verify_callback(asio::ssl::host_name_verification(host));
    auto [error] = co_await ssl_->async_handshake(asio::ssl::stream_base::client, kAwait);
    alarm_.clear();
    if (!error) co_return Result<void>();
    Error reason = explain(error);
    if (reason.kind == ErrorKind::reset)
        reason = {ErrorKind::tls, "TLS handshake: " + error.message()};
    co_return std::unexpected(std::move(reason));
}

Task<Result<void>> Stream::handshake_server(asio::ssl::context& context, base::Time deadline) {
    ssl_.emplace(socket_, context);
    if (auto early = begin(deadline)) co_return std::unexpected(*early);
    auto [error] = co_await ssl_->async_handshake(asio::ssl::stream_base::server, kAwait);
    alarm_.clear();
    if (!error) co_return Result<void>();
    co_return std::unexpected(explain(error));
}

Task<Result<std::size_t>> Stream::read_some(asio::mutable_buffer into, base::Time deadline) {
    if (auto early = begin(deadline)) co_return std::unexpected(*early);
    error_code error;
    std::size_t size = 0;
    if (ssl_)
        std::tie(error, size) = co_await ssl_->async_read_some(into, kAwait);
    else
        std::tie(error, size) = co_await socket_.async_read_some(into, kAwait);
    alarm_.clear();
    if (error) co_return std::unexpected(explain(error));
    co_return size;
}

Task<Result<void>> Stream::write(std::array<std::string_view, 3> pieces, base::Time deadline) {
    if (auto early = begin(deadline)) co_return std::unexpected(*early);
    std::array<asio::const_buffer, 3> buffers{asio::buffer(pieces[0]), asio::buffer(pieces[1]),
                                              asio::buffer(pieces[2])};
    error_code error;
    std::size_t size = 0;
    if (ssl_)
        std::tie(error, size) = co_await asio::async_write(*ssl_, buffers, kAwait);
    else
        std::tie(error, size) = co_await asio::async_write(socket_, buffers, kAwait);
    alarm_.clear();
    if (error) co_return std::unexpected(explain(error));
    co_return Result<void>();
}

void Stream::abort() {
    if (aborted_) return;
    aborted_ = true;
    error_code ignored;
    socket_.cancel(ignored);
    socket_.shutdown(Socket::shutdown_both, ignored);  // for the next step of an operation
    if (ring_) std::exchange(ring_, nullptr)();
}

bool Stream::peer_closed() {
    pollfd look{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Stream::watch_hangup(std::function<void()> ring) {
    ring_ = std::move(ring);
    watch_alarm_.set(base::Clock::now() + kLookEvery);
}

void Stream::look_for_hangup() {
    if (!ring_) return;
    if (peer_closed())
        std::exchange(ring_, nullptr)();
    else
        watch_alarm_.set(base::Clock::now() + kLookEvery);
}

bool Stream::answers_early() {
    // On TLS, bytes may be no more than a session ticket.
    if (ssl_) return peer_closed();
    pollfd look{socket_.native_handle(), POLLIN | POLLRDHUP, 0};
    return ::poll(&look, 1, 0) > 0 && look.revents != 0;
}

void Stream::stop_writing() {
    error_code ignored;
    socket_.cancel(ignored);
}

bool Stream::quiet() {
    char byte = 0;
    return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace net
