#pragma once

#include "gateway/session.h"

#include <string>

namespace gateway {

/// Largest image that is fetched.
inline constexpr std::size_t kMaxFetched = 32u << 20;
/// Images of one request, and what they may have together as base64.
inline constexpr std::size_t kMostFetched = 16;
inline constexpr std::size_t kMostTogether = 96u << 20;

/// Fetches the image at an address that comes from outside: only hosts of the public internet are
/// asked, and FREEWAY_IMAGE_HOSTS, and, where an answer of a target named the address, that
/// `target`'s own host and port. No key is sent; a redirect is followed on the same host alone.
/// refused, too_large, bad_input, or what the connection says; what came is an image by its first
/// bytes.
net::Task<base::Result<std::string>> fetch_image(Session& session, const config::Target* target,
                                                 std::string address, base::Time by);

/// Puts the data of images that `request` names by address into its canonical form, for a target
/// that takes data alone: PNG, JPEG and WebP, at most kMostFetched of them. Errors: unsupported,
/// saying which image and why; gone.
net::Task<base::Result<void>> inline_images(Session& session, const llm::ChatRequest& request,
                                            base::Time by);

}  // namespace gateway
