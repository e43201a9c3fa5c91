#pragma once

#include "gateway/session.h"

#include <string>

namespace gateway {

/// Largest image that is fetched.
inline constexpr std::size_t kMaxFetched = 32u << 20;

/// Fetches the image at an address that an answer of `target` named: it comes from outside, so
/// only hosts of the public internet are asked, and the target's own host and port. No key is
/// sent; a redirect is followed on the same host alone. refused, too_large, bad_input, or what
/// the connection says; what came is an image by its first bytes.
net::Task<base::Result<std::string>> fetch_image(Session& session, const config::Target& target,
                                                 std::string address, base::Time by);

}  // namespace gateway
