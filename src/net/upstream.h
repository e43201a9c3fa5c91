#pragma once

#include "base/result.h"
#include "net/http1.h"
#include "net/idle_connections.h"
#include "net/stream.h"

#include <boost/asio/ssl/context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace net {

/// Where a connection goes.
struct Endpoint {
    bool tls = false;
    std::string host;
    std::uint16_t port = 80;
    /// Only addresses of the public internet are connected to: its name came from outside.
    bool public_only = false;
};

/// An endpoint with what every request to it repeats, worked out once.
struct Origin {
    explicit Origin(Endpoint to);
    Endpoint endpoint;
    std::string key;        ///< "https://api.example.com:443": names the pool of connections
    std::string authority;  ///< for the Host header: without the scheme's own port
};

/// HTTP_PROXY, HTTPS_PROXY, NO_PROXY (either case), read once at start. Loopback
/// addresses are never sent through a proxy.
struct ProxySettings {
    std::optional<Endpoint> http;
    std::optional<Endpoint> https;
    std::string http_authorization;  ///< "Basic …" from the proxy URL's credentials
    std::string https_authorization;
    std::string no_proxy;
    bool bypass(std::string_view host) const;
    /// A proxy URL that can't be read is a bad_input Error.
    static base::Result<ProxySettings> from_environment();
};

/// What all workers share of the way out; immutable after start.
struct UpstreamSettings {
    ProxySettings proxy;
    std::size_t idle_per_endpoint = 64;
    base::Duration idle_time{30'000};
    std::size_t max_response_head = kMaxHead;
};

/// Set by the owner of the request; ends the attempt that is under way.
class AbortHandle {
public:
    void abort() {
        aborted_ = true;
        error_code ignored;
        if (stream_) stream_->abort();
        if (socket_) socket_->cancel(ignored);
        if (wake_) wake_->cancel();
    }
    bool aborted() const { return aborted_; }
    /// The timer on which the owner waits for something that is no connection;
    /// null once that is over.
    void attach(Timer* wake) { wake_ = wake; }

private:
    friend class UpstreamClient;
    friend class UpstreamReply;
    Stream* stream_ = nullptr;  ///< connected
    Socket* socket_ = nullptr;  ///< connecting
    Timer* wake_ = nullptr;     ///< looking up a name
    bool aborted_ = false;
};

/// A part of a request's body: bytes in memory or, where `file` is given, the first `size` bytes
/// of an open file, read piece by piece while they are sent.
struct BodyPiece {
    std::string_view bytes{};
    int file = -1;
    std::uint64_t size = 0;

    std::uint64_t length() const { return file < 0 ? bytes.size() : size; }
};

/// What is done while the head of a reply does not come.
struct Vigil {
    base::Duration every;
    std::function<Task<bool>()> look;  ///< awaited that often; false: nobody wants it any more
};

struct UpstreamRequest {
    const Origin& origin;
    std::string_view method = "POST";
    std::string_view target;   ///< path and query
    std::string_view headers;  ///< complete lines, each ending in CRLF; no Host, no Content-Length
    std::string_view body;
    bool* begun = nullptr;  ///< set when a first byte may have left: the upstream may have seen it
    std::span<const BodyPiece> pieces{};  ///< follow `body`; must outlive the call
    /// While pieces go out, the head may come later than said, never later than this.
    base::Time head_by_most{};
    const Vigil* vigil = nullptr;  ///< only where no pieces follow; outlives the call
};

class UpstreamClient;

/// The reply to one request. Destroying it before the body's end closes the
/// connection; after the end the connection goes back to the pool.
class UpstreamReply {
public:
    UpstreamReply(UpstreamClient& client, std::string pool_key, std::unique_ptr<Stream> stream,
                  AbortHandle& abort);
    ~UpstreamReply();
    UpstreamReply(const UpstreamReply&) = delete;
    UpstreamReply& operator=(const UpstreamReply&) = delete;

    const ResponseHead& head() const { return head_; }
    /// The next bytes of the body, valid until the next call; empty at its end.
    /// `reset` if the peer closed before the end that it announced.
    Task<base::Result<std::string_view>> next(base::Time deadline);
    /// The rest of the body, at most `limit` bytes (else too_large), with at most `gap`
    /// between two reads.
    Task<base::Result<std::string>> rest(std::size_t limit, base::Time deadline,
                                         base::Duration gap = std::chrono::hours(24));
    bool ended() const { return ended_; }
    /// The request that sent it is over: its AbortHandle is not touched any more.
    void detach();

private:
    friend class UpstreamClient;
    Task<base::Result<void>> read_head(base::Time deadline, const Vigil* vigil = nullptr);
    Task<base::Result<std::size_t>> read_more(base::Time deadline, const Vigil* vigil);
    base::Result<std::string_view> decode(std::size_t begin);
    void finish();

    UpstreamClient& client_;
    std::string pool_key_;
    std::unique_ptr<Stream> stream_;
    AbortHandle* abort_;     ///< null once detached
    bool bodiless_ = false;  ///< the answer to HEAD
    ResponseHead head_;
    std::string buffer_;  ///< read area; [begin_, end_) is not yet handed out
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t left_ = 0;
    ChunkDecoder chunks_;
    bool ended_ = false;
};

/// Client TLS as browsers do it: system trust or SSL_CERT_FILE / SSL_CERT_DIR, TLS 1.2 and up.
/// Made for the first connection that needs it: the library and the certificates take memory and
/// time that a gateway before local engines never spends. Thread-safe; outlives its users.
class ClientTls {
public:
    base::Result<asio::ssl::context*> get();

private:
    std::mutex mutex_;
    std::unique_ptr<asio::ssl::context> context_;
};

/// One worker's way out: connections, TLS, proxies, the pool.
class UpstreamClient {
public:
    UpstreamClient(Executor executor, Deadlines& deadlines, const UpstreamSettings& settings,
                   ClientTls& tls);
    ~UpstreamClient();

    /// Connects (or takes an idle connection), sends, and waits for the head of
    /// the reply. Redirects are handed to the caller as they are.
    /// Errors: connect, tls, timed_out (detail says which limit), reset, protocol, gone.
    Task<base::Result<std::unique_ptr<UpstreamReply>>> send(UpstreamRequest request,
                                                            base::Time connect_by,
                                                            base::Time head_by, AbortHandle& abort);
    std::size_t idle() const { return idle_.count(); }

private:
    friend class UpstreamReply;
    Task<base::Result<std::unique_ptr<Stream>>> connect(const Origin& origin, base::Time deadline,
                                                        AbortHandle& abort);
    Task<base::Result<Socket>> dial(const Endpoint& endpoint, base::Time deadline,
                                    AbortHandle& abort);
    Task<base::Result<void>> tunnel(Stream& stream, const Endpoint& endpoint, base::Time deadline);
    /// Whether a proxy may be sent to a host whose name came from outside. The proxy looks the name
    /// up itself and may take any of its addresses, so all of them must be public.
    Task<base::Result<void>> look_before_proxy(const Endpoint& endpoint, base::Time deadline,
                                               AbortHandle& abort);
    Task<base::Result<std::vector<Tcp::endpoint>>> resolve(const Endpoint& endpoint,
                                                           base::Time deadline, AbortHandle& abort);
    Task<base::Result<void>> send_pieces(UpstreamReply& reply, const UpstreamRequest& request,
                                         base::Time head_by);
    Task<base::Result<base::Time>> write_pieces(Stream& stream, std::span<const BodyPiece> pieces,
                                                base::Duration patience, base::Time most);
    void keep_session(const std::string& key, Stream& stream);
    std::string take_buffer();
    void give_buffer(std::string buffer);
    const Endpoint* proxy_for(const Endpoint& endpoint) const;

    Executor executor_;
    Deadlines& deadlines_;
    const UpstreamSettings& settings_;
    ClientTls& tls_;
    IdleConnections idle_;
    std::map<std::string, SSL_SESSION*> sessions_;
    std::vector<std::string> spare_buffers_;
};

}  // namespace net
