#include "net/upstream.h"

#include <openssl/ssl.h>

namespace net {

base::Result<asio::ssl::context*> ClientTls::get() {
    const std::lock_guard lock(mutex_);
    if (context_) return context_.get();
    auto made = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX* const native = made->native_handle();
    if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_default_verify_paths(native) != 1)
        return base::fail(base::ErrorKind::tls, "the system's certificates can't be loaded");
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    context_ = std::move(made);
    return context_.get();
}

}  // namespace net
