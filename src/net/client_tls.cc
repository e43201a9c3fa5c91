#include "net/upstream.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace net {
namespace {

/// The system keeps every authority in a file of its own, named by its hash: then only the one
/// that a server needs is read, instead of all of them at once.
bool has_hashed_certificates(const char* folder) {
    std::error_code error;
    const std::filesystem::directory_iterator files(folder, error);
    return !error && std::any_of(begin(files), end(files),
                                 [](const auto& file) { return file.path().extension() == ".0"; });
}

bool trust_system(SSL_CTX* context) {
    const bool file_named = std::getenv(X509_get_default_cert_file_env()) != nullptr;
    const char* const named = std::getenv(X509_get_default_cert_dir_env());
    if (!file_named && has_hashed_certificates(named ? named : X509_get_default_cert_dir()))
        return SSL_CTX_set_default_verify_dir(context) == 1;
    return SSL_CTX_set_default_verify_paths(context) == 1;
}

}  // namespace

base::Result<asio::ssl::context*> ClientTls::get() {
    const std::lock_guard lock(mutex_);
    if (context_) return context_.get();
    auto made = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX* const native = made->native_handle();
    if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1 || !trust_system(native))
        return base::fail(base::ErrorKind::tls, "the system's certificates can't be loaded");
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    context_ = std::move(made);
    return context_.get();
}

}  // namespace net
