#pragma once

#include "base/secret.h"
#include "gateway/errors.h"
#include "net/http1.h"

#include <optional>

namespace gateway {

/// Checks the gateway's own key against `Authorization: Bearer`, x-litellm-api-key,
/// api-key or x-api-key, whole and in constant time. nullopt: allowed. With no key
/// configured everybody who reaches the (loopback) listener is allowed.
std::optional<ClientError> authenticate(const base::Secret& master_key, const net::Headers& headers);

}  // namespace gateway
