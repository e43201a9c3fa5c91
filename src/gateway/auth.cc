#include "gateway/auth.h"

#include "base/units.h"

#include <algorithm>

namespace gateway {

std::optional<ClientError> authenticate(const base::Secret& master_key,
                                        const net::Headers& headers) {
    if (master_key.empty()) return std::nullopt;
    const auto refuse = [](std::string message) {
        return ClientError{401, std::move(message), "authentication_error", "invalid_api_key", {},
                           {}};
    };
    if (const std::string_view value = headers.get("authorization"); !value.empty()) {
        if (value.size() < 7 || !base::iequals(value.substr(0, 7), "bearer "))
            return refuse("The Authorization header must read `Bearer KEY`.");
        if (master_key.matches(base::trim(value.substr(7)))) return std::nullopt;
        return refuse("The key in the Authorization header is not this gateway's key.");
    }
    for (const std::string_view name : {"x-litellm-api-key", "api-key", "x-api-key"}) {
        std::string_view value = headers.get(name);
        if (value.empty()) continue;
        if (value.starts_with("Bearer ")) value.remove_prefix(7);
        if (master_key.matches(value)) return std::nullopt;
        return refuse("The key in the " + std::string(name) + " header is not this gateway's key.");
    }
    return refuse("No key was sent: set `Authorization: Bearer KEY` to this gateway's master key.");
}

std::optional<ClientError> admit(const std::vector<base::IpRange>& allowed,
                                 const std::string& peer) {
    const auto address = base::IpRange::parse(peer);
    const auto contains = [&](const base::IpRange& range) { return range.contains(*address); };
    if (address && std::ranges::any_of(allowed, contains)) return std::nullopt;
    return ClientError{403,
                       "This address is not among those that the gateway's allowed_ips let in.",
                       "permission_error",
                       "address_not_allowed",
                       {},
                       {}};
}

std::optional<ClientError> keep_pages_out(const net::Headers& headers) {
    std::string_view origin = headers.get("origin");
    if (origin.empty()) return std::nullopt;
    const std::size_t scheme = origin.find("://");
    std::string_view host = scheme == origin.npos ? std::string_view() : origin.substr(scheme + 3);
    const bool bracketed = host.starts_with('[');
    host = host.substr(0, bracketed ? host.find(']') + 1 : host.find(':'));
    for (const std::string_view own : {"localhost", "127.0.0.1", "[::1]"})
        if (base::iequals(host, own)) return std::nullopt;
    return ClientError{403,
                       "A page of " + base::shown(origin, 200) +
                           " may not use this gateway while it has no key: set "
                           "FREEWAY_MASTER_KEY and send it.",
                       "permission_error",
                       "origin_not_allowed",
                       {},
                       {}};
}

std::optional<ClientError> authorize(const config::Settings& settings,
                                     const net::Exchange& exchange) {
    if (settings.allowed_ips)
        if (auto refused = admit(*settings.allowed_ips, exchange.peer())) return refused;
    if (settings.master_key.empty()) return keep_pages_out(exchange.head.headers);
    return authenticate(settings.master_key, exchange.head.headers);
}

std::optional<ClientError> refused_unread(const config::Settings& settings,
                                          const net::Exchange& exchange) {
    if (auto refused = authorize(settings, exchange)) return refused;
    const std::string_view encoding = base::trim(exchange.head.headers.get("content-encoding"));
    if (encoding.empty() || base::iequals(encoding, "identity")) return std::nullopt;
    return ClientError{415,
                       "The body is sent with Content-Encoding: " + base::shown(encoding, 100) +
                           ", which is not read here: send it as it is.",
                       "invalid_request_error",
                       "unsupported_encoding",
                       {},
                       {}};
}

}  // namespace gateway
