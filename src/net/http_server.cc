#include "net/http_server.h"

#include "base/log.h"
#include "net/grow.h"

#include <fmt/format.h>

namespace net {

using base::ErrorKind;
using base::fail;
using base::Result;

namespace {
constexpr std::size_t kReadSize = 8u << 10;
constexpr base::Duration kLinger{2'000};
constexpr std::size_t kMaxLingerReads = 32'768;
/// Lets the peer read our last answer although it is still sending: closing with
/// unread bytes would reset the connection and lose the answer.
Task<> close_gently(Stream& stream) {
    error_code ignored;
    stream.socket().shutdown(Socket::shutdown_send, ignored);
    const base::Time deadline = base::Clock::now() + kLinger;
    std::array<char, kReadSize> dropped;
    for (std::size_t i = 0; i < kMaxLingerReads; ++i)
        if (!co_await stream.read_some(asio::buffer(dropped), deadline)) break;
}

}  // namespace

HttpServer::HttpServer(Worker& worker, const ServerSettings& settings, Handler handler,
                       asio::ssl::context* tls)
    : worker_(worker),
      settings_(settings),
      handler_(std::move(handler)),
      tls_(tls),
      acceptor_(worker.loop.get_executor()) {}

Result<std::uint16_t> HttpServer::listen(const std::string& host, std::uint16_t port) {
    error_code error;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error) return fail(ErrorKind::bad_input, host + " is not an IP address to listen on");
    const Tcp::endpoint endpoint(address, port);
    if (port != 0 && worker_.number == 0) {
        // SO_REUSEPORT would let two gateways share the port without a word.
        Acceptor probe(worker_.loop.get_executor());
        probe.open(endpoint.protocol(), error);
        if (!error) probe.set_option(Acceptor::reuse_address(true), error);
        if (!error) probe.bind(endpoint, error);
        if (!error) probe.listen(1, error);
        if (error)
            return fail(ErrorKind::io,
                        fmt::format("can't listen on {}:{}: {}", host, port, error.message()));
    }
    using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(Acceptor::reuse_address(true), error);
    if (!error) acceptor_.set_option(ReusePort(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(1024, error);
    if (error)
        return fail(ErrorKind::io,
                    fmt::format("can't listen on {}:{}: {}", host, port, error.message()));
    return acceptor_.local_endpoint().port();
}

void HttpServer::start() {
    worker_.tasks.spawn(accept_loop(), [this] {
        error_code ignored;
        acceptor_.close(ignored);
    });
}

void HttpServer::stop_accepting() {
    draining_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    for (Stream* stream : idle_) stream->abort();
}

Task<> HttpServer::accept_loop() {
    while (acceptor_.is_open()) {
        auto [error, socket] = co_await acceptor_.async_accept(worker_.loop.get_executor(), kAwait);
        if (error == asio::error::operation_aborted) break;
        if (error) {  // out of descriptors: wait for some to come back
            base::log::write(base::log::Level::warning, "accept failed",
                             {{"reason", error.message()}});
            co_await sleep_until(worker_.loop.get_executor(),
                                 base::Clock::now() + base::Duration(50));
            continue;
        }
        if (connections_ >= settings_.max_connections) continue;
        error_code ignored;
        socket.set_option(Tcp::no_delay(true), ignored);
        auto stream = std::make_shared<Stream>(std::move(socket), worker_.deadlines);
        worker_.tasks.spawn(serve(stream), [stream] { stream->abort(); });
    }
}

/// Reads until a whole head is in `buffer`; answers and returns false where that fails.
Task<bool> HttpServer::read_head(Stream& stream, std::string& buffer, Exchange& exchange,
                                 bool first) {
    base::Time deadline =
        base::Clock::now() + (first ? settings_.head_time : settings_.keep_alive_time);
    if (!buffer.empty()) deadline = base::Clock::now() + settings_.head_time;
    std::size_t searched = 0;
    bool blank_line_allowed = true;
    for (;;) {
        if (blank_line_allowed && buffer.starts_with("\r\n")) {  // RFC 9112, 2.2
            buffer.erase(0, 2);
            searched = 0;
            blank_line_allowed = false;
        }
        if (const std::size_t length = head_length(buffer, searched); length > 0) {
            exchange.started = base::Clock::now();
            const auto refusal = length > kMaxHead ? Refusal{431, "the head is too long"}
                                                   : parse(buffer.substr(0, length), exchange.head);
            buffer.erase(0, length);
            if (!refusal) co_return true;
            co_await refuse(exchange, *refusal);
            co_return false;
        }
        if (buffer.size() > kMaxHead) {
            co_await refuse(exchange, {431, "the head is too long"});
            co_return false;
        }
        searched = buffer.size();
        const bool idle = buffer.empty();
        grow(buffer, searched + kReadSize);
        const auto place = idle ? idle_.insert(idle_.end(), &stream) : idle_.end();
        auto got =
            co_await stream.read_some(asio::buffer(buffer.data() + searched, kReadSize), deadline);
        if (idle) idle_.erase(place);
        buffer.resize(searched + got.value_or(0));
        if (!got) {
            if (got.error().kind == ErrorKind::timed_out && !idle)
                co_await refuse(exchange, {408, "the head took too long"});
            co_return false;
        }
        if (idle) deadline = base::Clock::now() + settings_.head_time;
    }
}

Task<> HttpServer::refuse(Exchange& exchange, Refusal refusal) {
    exchange.close_after();
    const std::string body = fmt::format(
        R"({{"error":{{"message":"The request can't be read: {}.","type":"invalid_request_error","param":null,"code":"bad_http"}}}})",
        refusal.reason);
    co_await exchange.respond(refusal.status, {}, "application/json", body);
}

Task<> HttpServer::serve(std::shared_ptr<Stream> stream) {
    struct Count {
        std::size_t& count;
        explicit Count(std::size_t& c) : count(c) { ++count; }
        ~Count() { --count; }
    } counted(connections_);
    if (tls_) {
        auto ready =
            co_await stream->handshake_server(*tls_, base::Clock::now() + settings_.head_time);
        if (!ready) co_return;
    }
    std::string buffer;
    for (bool first = true;; first = false) {
        Exchange exchange(*stream, settings_, buffer, draining_);
        if (!co_await read_head(*stream, buffer, exchange, first)) {
            if (exchange.answered()) co_await close_gently(*stream);
            break;
        }
        std::string failure;
        try {
            co_await handler_(exchange);
        } catch (const std::exception& error) {
            failure = error.what();
        }
        exchange.unwatch_hangup();
        if (!failure.empty())
            base::log::write(base::log::Level::error, "a handler failed", {{"what", failure}});
        if (!exchange.answered()) {
            exchange.close_after();
            co_await exchange.respond(
                500, {}, "application/json",
                R"({"error":{"message":"Internal error.","type":"server_error","param":null,"code":"internal"}})");
        }
        const bool unread = !exchange.body_read_ && exchange.head.framing != Framing::none;
        if (exchange.gone() || exchange.streaming()) break;
        if (unread || !exchange.keep_alive_) {
            co_await close_gently(*stream);
            break;
        }
        if (!exchange.head.keep_alive || draining_) break;
    }
}

Result<std::unique_ptr<asio::ssl::context>> server_tls(const std::string& certificate,
                                                       const std::string& key) {
    auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    error_code error;
    context->use_certificate_chain_file(certificate, error);
    if (error)
        return fail(ErrorKind::bad_input, certificate + ": not a readable PEM certificate chain");
    context->use_private_key_file(key, asio::ssl::context::pem, error);
    if (error)
        return fail(ErrorKind::bad_input,
                    key + ": not a readable PEM key that fits the certificate");
    return context;
}

}  // namespace net
