#include "net/upstream.h"

#include "base/ip_range.h"
#include "base/units.h"

#include <fmt/compile.h>

#include <algorithm>

namespace net {

using base::ErrorKind;
using base::fail;
using base::Result;

namespace {

constexpr std::size_t kReadSize = 8u << 10;
constexpr std::size_t kMaxSpareBuffers = 64;

bool is_public(const Tcp::endpoint& to) {
    const auto address = base::IpRange::parse(to.address().to_string());
    return address && base::is_public(*address);
}

/// For a host that a proxy will look up, as far as its spelling tells. No name ends in a label that
/// begins with a digit: such a host is an address in a short or odd spelling (127.1, 0x7f.0.0.1).
bool may_be_public(std::string host) {
    if (host.ends_with('.')) host.pop_back();
    if (const auto address = base::IpRange::parse(host)) return base::is_public(*address);
    const std::size_t dot = host.rfind('.');
    if (dot == std::string::npos || dot + 1 == host.size()) return false;
    const bool digit = host[dot + 1] >= '0' && host[dot + 1] <= '9';
    return !digit && !base::iequals(std::string_view(host).substr(dot), ".localhost");
}

}  // namespace

Origin::Origin(Endpoint to)
    : endpoint(std::move(to)),
      key((endpoint.public_only ? "public " : "") +
          std::string(endpoint.tls ? "https://" : "http://") + endpoint.host + ':' +
          std::to_string(endpoint.port)) {
    const bool usual_port = endpoint.port == (endpoint.tls ? 443 : 80);
    const bool v6 = endpoint.host.find(':') != std::string::npos;
    authority = v6 ? '[' + endpoint.host + ']' : endpoint.host;
    if (!usual_port) authority += ':' + std::to_string(endpoint.port);
}

UpstreamClient::UpstreamClient(Executor executor, Deadlines& deadlines,
                               const UpstreamSettings& settings, ClientTls& tls)
    : executor_(executor),
      deadlines_(deadlines),
      settings_(settings),
      tls_(tls),
      idle_(deadlines, settings.idle_per_endpoint, settings.idle_time) {}

UpstreamClient::~UpstreamClient() {
    for (auto& [key, session] : sessions_) SSL_SESSION_free(session);
}

/// So that the next connection there is made sooner.
void UpstreamClient::keep_session(const std::string& key, Stream& stream) {
    if (!stream.tls() || SSL_version(stream.ssl().native_handle()) == 0) return;
    SSL_SESSION* session = SSL_get1_session(stream.ssl().native_handle());
    if (session && SSL_SESSION_is_resumable(session)) {
        if (SSL_SESSION*& kept = sessions_[key]; kept)
            SSL_SESSION_free(std::exchange(kept, session));
        else
            kept = session;
    } else if (session) {
        SSL_SESSION_free(session);
    }
}

std::string UpstreamClient::take_buffer() {
    if (spare_buffers_.empty()) return std::string(kReadSize, '\0');
    std::string buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffer;
}

void UpstreamClient::give_buffer(std::string buffer) {
    if (buffer.size() == kReadSize && spare_buffers_.size() < kMaxSpareBuffers)
        spare_buffers_.push_back(std::move(buffer));
}

const Endpoint* UpstreamClient::proxy_for(const Endpoint& endpoint) const {
    const auto& proxy = endpoint.tls ? settings_.proxy.https : settings_.proxy.http;
    return proxy && !settings_.proxy.bypass(endpoint.host) ? &*proxy : nullptr;
}

Task<Result<std::unique_ptr<UpstreamReply>>> UpstreamClient::send(UpstreamRequest request,
                                                                  base::Time connect_by,
                                                                  base::Time head_by,
                                                                  AbortHandle& abort) {
    if (abort.aborted()) co_return fail(ErrorKind::gone, "the client left");
    std::unique_ptr<Stream> stream = idle_.take(request.origin.key);
    if (!stream) {
        auto connected = co_await connect(request.origin, connect_by, abort);
        if (!connected) co_return std::unexpected(connected.error());
        stream = std::move(*connected);
    }
    auto reply =
        std::make_unique<UpstreamReply>(*this, request.origin.key, std::move(stream), abort);

    const Endpoint* proxy =
        request.origin.endpoint.tls ? nullptr : proxy_for(request.origin.endpoint);
    const std::string& authority = request.origin.authority;
    std::string head;
    head.reserve(256 + request.headers.size());
    fmt::format_to(std::back_inserter(head), FMT_COMPILE("{} {}{}{} HTTP/1.1\r\nHost: {}\r\n"),
                   request.method, proxy ? "http://" : "", proxy ? authority : "", request.target,
                   authority);
    if (proxy && !settings_.proxy.http_authorization.empty())
        append_header(head, "Proxy-Authorization", settings_.proxy.http_authorization);
    head += request.headers;
    head += "Accept-Encoding: identity\r\n";  // nobody here unpacks a body
    std::uint64_t length = request.body.size();
    for (const BodyPiece& piece : request.pieces) length += piece.length();
    if (length > 0 || request.method == "POST")
        fmt::format_to(std::back_inserter(head), FMT_COMPILE("Content-Length: {}\r\n"), length);
    head += "\r\n";
    reply->bodiless_ = request.method == "HEAD";
    if (request.begun) *request.begun = true;
    if (auto written = co_await reply->stream_->write({head, request.body, {}}, head_by); !written)
        co_return std::unexpected(written.error());
    auto answered = request.pieces.empty() ? reply->read_head(head_by, request.vigil)
                                           : send_pieces(*reply, request, head_by);
    if (auto read = co_await std::move(answered); !read) co_return std::unexpected(read.error());
    co_return std::move(reply);
}

Task<Result<std::unique_ptr<Stream>>> UpstreamClient::connect(const Origin& origin,
                                                              base::Time deadline,
                                                              AbortHandle& abort) {
    const Endpoint& endpoint = origin.endpoint;
    const Endpoint* proxy = proxy_for(endpoint);
    if (proxy && endpoint.public_only)
        if (auto open = co_await look_before_proxy(endpoint, deadline, abort); !open)
            co_return std::unexpected(open.error());
    auto socket = co_await dial(proxy ? *proxy : endpoint, deadline, abort);
    if (!socket) co_return std::unexpected(socket.error());
    auto stream = std::make_unique<Stream>(std::move(*socket), deadlines_);
    abort.stream_ = stream.get();
    Result<void> ready;
    if (endpoint.tls) {
        if (proxy) ready = co_await tunnel(*stream, endpoint, deadline);
        auto tls = tls_.get();
        if (!tls) ready = std::unexpected(tls.error());
        if (ready) {
            const auto session = sessions_.find(origin.key);
            ready = co_await stream->handshake_client(
                **tls, endpoint.host, deadline,
                session == sessions_.end() ? nullptr : session->second);
        }
    }
    abort.stream_ = nullptr;
    if (!ready) co_return std::unexpected(ready.error());
    co_return std::move(stream);
}

Task<Result<std::vector<Tcp::endpoint>>> UpstreamClient::resolve(const Endpoint& endpoint,
                                                                 base::Time deadline,
                                                                 AbortHandle& abort) {
    error_code not_numeric;
    const auto address = asio::ip::make_address(endpoint.host, not_numeric);
    if (!not_numeric) co_return std::vector{Tcp::endpoint(address, endpoint.port)};

    // getaddrinfo can't be interrupted: it finishes into `found` whether or not
    // anybody still waits.
    struct Found {
        explicit Found(Executor executor, base::Time until) : wake(executor, until) {}
        Timer wake;
        std::vector<Tcp::endpoint> endpoints;
        error_code error;
        bool done = false;
    };
    auto found = std::make_shared<Found>(executor_, deadline);
    auto resolver = std::make_shared<asio::ip::basic_resolver<Tcp, Executor>>(executor_);
    resolver->async_resolve(endpoint.host, std::to_string(endpoint.port),
                            [found, resolver](const error_code& error, const auto& results) {
                                found->error = error;
                                for (const auto& entry : results)
                                    found->endpoints.push_back(entry.endpoint());
                                found->done = true;
                                found->wake.cancel();
                            });
    abort.wake_ = &found->wake;
    if (!abort.aborted()) co_await found->wake.async_wait(kAwait);
    abort.wake_ = nullptr;
    if (abort.aborted()) co_return fail(ErrorKind::gone, "the client left");
    if (!found->done)
        co_return fail(ErrorKind::timed_out, "name lookup of " + endpoint.host + " took too long");
    if (found->error || found->endpoints.empty())
        co_return fail(ErrorKind::connect,
                       "no address for " + endpoint.host + ": " + found->error.message());
    co_return std::move(found->endpoints);
}

Task<Result<void>> UpstreamClient::look_before_proxy(const Endpoint& endpoint, base::Time deadline,
                                                     AbortHandle& abort) {
    if (!may_be_public(endpoint.host))
        co_return fail(ErrorKind::refused, endpoint.host + " is no host of the public internet");
    auto endpoints = co_await resolve(endpoint, deadline, abort);
    if (!endpoints && endpoints.error().kind == ErrorKind::connect)
        co_return fail(ErrorKind::refused,
                       endpoint.host +
                           " can't be looked up here, so nobody can tell whether the "
                           "proxy would go to a host of the public internet");
    if (!endpoints) co_return std::unexpected(endpoints.error());
    if (!std::ranges::all_of(*endpoints, is_public))
        co_return fail(ErrorKind::refused,
                       endpoint.host + " has an address outside the public internet");
    co_return Result<void>();
}

Task<Result<Socket>> UpstreamClient::dial(const Endpoint& endpoint, base::Time deadline,
                                          AbortHandle& abort) {
    auto endpoints = co_await resolve(endpoint, deadline, abort);
    if (!endpoints) co_return std::unexpected(endpoints.error());
    if (endpoint.public_only) {
        std::erase_if(*endpoints, [](const Tcp::endpoint& to) { return !is_public(to); });
        if (endpoints->empty())
            co_return fail(ErrorKind::refused,
                           endpoint.host + " has no address of the public internet");
    }
    base::Error last{ErrorKind::timed_out, "connecting took too long"};
    for (std::size_t i = 0; i < endpoints->size(); ++i) {
        const base::Time now = base::Clock::now();
        if (now >= deadline) break;
        Socket socket(executor_);
        bool late = false;
        Deadlines::Alarm alarm(deadlines_, [&] {
            late = true;
            error_code ignored;
            socket.cancel(ignored);
        });
        alarm.set(now + (deadline - now) / static_cast<int>(endpoints->size() - i));
        error_code error;
        socket.open((*endpoints)[i].protocol(), error);
        if (!error) {
            abort.socket_ = &socket;
            std::tie(error) = co_await socket.async_connect((*endpoints)[i], kAwait);
            abort.socket_ = nullptr;
        }
        if (abort.aborted()) co_return fail(ErrorKind::gone, "the client left");
        if (!error) {
            socket.set_option(Tcp::no_delay(true), error);
            co_return std::move(socket);
        }
        last = late ? base::Error{ErrorKind::timed_out, "connecting took too long"}
                    : base::Error{ErrorKind::connect, error.message()};
    }
    last.detail = endpoint.host + ':' + std::to_string(endpoint.port) + ": " + last.detail;
    co_return std::unexpected(std::move(last));
}

Task<Result<void>> UpstreamClient::tunnel(Stream& stream, const Endpoint& endpoint,
                                          base::Time deadline) {
    const std::string authority = endpoint.host + ':' + std::to_string(endpoint.port);
    std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (!settings_.proxy.https_authorization.empty())
        append_header(request, "Proxy-Authorization", settings_.proxy.https_authorization);
    request += "\r\n";
    if (auto written = co_await stream.write({request, {}, {}}, deadline); !written)
        co_return std::unexpected(written.error());
    std::string answer;
    while (head_length(answer, 0) == 0) {
        char byte = 0;  // one at a time: what follows belongs to TLS
        auto got = co_await stream.read_some(asio::buffer(&byte, 1), deadline);
        if (!got) co_return std::unexpected(got.error());
        answer.push_back(byte);
        if (answer.size() > settings_.max_response_head)
            co_return fail(ErrorKind::protocol, "the proxy's answer is too long");
    }
    ResponseHead head;
    if (auto parsed = parse(std::move(answer), head, true); !parsed)
        co_return std::unexpected(parsed.error());
    if (head.status / 100 != 2)
        co_return fail(ErrorKind::connect,
                       "the proxy refused the tunnel with status " + std::to_string(head.status));
    co_return Result<void>();
}

UpstreamReply::UpstreamReply(UpstreamClient& client, std::string pool_key,
                             std::unique_ptr<Stream> stream, AbortHandle& abort)
    : client_(client), pool_key_(std::move(pool_key)), stream_(std::move(stream)), abort_(&abort) {
    abort.stream_ = stream_.get();
}

UpstreamReply::~UpstreamReply() {
    detach();
    client_.give_buffer(std::move(buffer_));
}

void UpstreamReply::detach() {
    if (abort_) abort_->stream_ = nullptr;
    abort_ = nullptr;
}

/// Reads once, by `deadline`; meanwhile `vigil` looks.
Task<Result<std::size_t>> UpstreamReply::read_more(base::Time deadline, const Vigil* vigil) {
    const asio::mutable_buffer into = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
    while (vigil) {
        const base::Time look = base::Clock::now() + vigil->every;
        if (look >= deadline) break;
        auto got = co_await stream_->read_some(into, look);
        if (got || got.error().kind != ErrorKind::timed_out) co_return got;
        if (!co_await vigil->look()) co_return fail(ErrorKind::gone, "the client left");
    }
    co_return co_await stream_->read_some(into, deadline);
}

Task<Result<void>> UpstreamReply::read_head(base::Time deadline, const Vigil* vigil) {
    buffer_ = client_.take_buffer();
    std::size_t searched = 0;
    for (;;) {
        const std::string_view read(buffer_.data() + begin_, end_ - begin_);
        if (const std::size_t length = head_length(read, searched); length > 0) {
            head_.headers = Headers();
            auto parsed = parse(std::string(read.substr(0, length)), head_, bodiless_);
            if (!parsed) co_return parsed;
            begin_ += length;
            searched = 0;
            if (head_.status >= 200) break;
            continue;  // 1xx: the real head follows
        }
        searched = read.size();
        if (end_ == buffer_.size()) {
            if (buffer_.size() >= client_.settings_.max_response_head + kReadSize)
                co_return fail(ErrorKind::protocol, "the upstream's head is too long");
            buffer_.resize(buffer_.size() * 2);
        }
        auto got = co_await read_more(deadline, vigil);
        if (!got) co_return std::unexpected(got.error());
        end_ += *got;
    }
    left_ = head_.content_length;
    if (head_.framing == Framing::none) finish();
    co_return Result<void>();
}

void UpstreamReply::finish() {
    if (ended_) return;
    ended_ = true;
    const bool aborted = abort_ && abort_->aborted();
    detach();
    const bool clean = head_.keep_alive && begin_ == end_ && head_.framing != Framing::until_close;
    if (clean && !aborted) {
        client_.keep_session(pool_key_, *stream_);
        client_.idle_.give(pool_key_, std::move(stream_), head_.kept_for);
    }
    stream_.reset();
}

Result<std::string_view> UpstreamReply::decode(std::size_t begin) {
    char* const data = buffer_.data() + begin;
    const std::size_t size = end_ - begin;
    if (head_.framing == Framing::chunked) {
        std::size_t used = 0;
        auto payload = chunks_.decode(data, size, used);
        if (!payload) return std::unexpected(payload.error());
        begin_ = begin + used;
        if (chunks_.done()) finish();
        return std::string_view(data, *payload);
    }
    if (head_.framing == Framing::length) {
        const std::size_t take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
        left_ -= take;
        begin_ = begin + take;
        if (left_ == 0) finish();
        return std::string_view(data, take);
    }
    begin_ = end_;
    return std::string_view(data, size);
}

Task<Result<std::string_view>> UpstreamReply::next(base::Time deadline) {
    while (!ended_) {
        if (begin_ < end_) {
            auto bytes = decode(begin_);
            if (!bytes || !bytes->empty()) co_return bytes;
            continue;
        }
        begin_ = end_ = 0;
        auto got =
            co_await stream_->read_some(asio::buffer(buffer_.data(), buffer_.size()), deadline);
        if (!got) {
            if (stream_->eof() && head_.framing == Framing::until_close) {
                finish();
                break;
            }
            co_return std::unexpected(got.error());
        }
        end_ = *got;
    }
    co_return std::string_view();
}

Task<Result<std::string>> UpstreamReply::rest(std::size_t limit, base::Time deadline,
                                              base::Duration gap) {
    std::string body;
    if (head_.framing == Framing::length && head_.content_length > limit)
        co_return fail(ErrorKind::too_large, "the upstream's answer is too large");
    if (head_.framing == Framing::length) body.reserve(head_.content_length + 64);
    for (;;) {
        auto bytes = co_await next(std::min(deadline, base::Clock::now() + gap));
        if (!bytes) co_return std::unexpected(bytes.error());
        if (bytes->empty()) co_return std::move(body);
        if (body.size() + bytes->size() > limit)
            co_return fail(ErrorKind::too_large, "the upstream's answer is too large");
        body += *bytes;
    }
}

}  // namespace net
