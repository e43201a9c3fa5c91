#pragma once

#include "base/secret.h"
#include "config/catalog.h"
#include "gateway/errors.h"
#include "net/http_server.h"

#include <optional>

namespace gateway {

/// Checks the gateway's own key against `Authorization: Bearer`, x-litellm-api-key,
/// api-key or x-api-key, whole and in constant time. nullopt: allowed. With no key
/// configured everybody who reaches the (loopback) listener is allowed.
std::optional<ClientError> authenticate(const base::Secret& master_key,
                                        const net::Headers& headers);

/// 403 unless one of `allowed` contains `peer`.
std::optional<ClientError> admit(const std::vector<base::IpRange>& allowed,
                                 const std::string& peer);

/// Without a key whoever reaches this machine's loopback is let in, and so is every page in its
/// browser: 403 for a request that another site's page has sent (its `Origin` says so).
std::optional<ClientError> keep_pages_out(const net::Headers& headers);

/// All: allowed_ips against the connection's own peer, then the master key or, where there is
/// none, keep_pages_out().
std::optional<ClientError> authorize(const config::Settings& settings,
                                     const net::Exchange& exchange);

/// What is wrong before the body is read: authorize(), then 415 for a body that is packed
/// (Content-Encoding), which nobody here unpacks.
std::optional<ClientError> refused_unread(const config::Settings& settings,
                                          const net::Exchange& exchange);

}  // namespace gateway
