#pragma once

#include <string>
#include <string_view>

namespace base {

/// `text` with every URL in it without its user and password: `redis://u:p@host/0` becomes
/// `redis://host/0`. They are found also where `/`, `?` or `#` in a password was not encoded.
std::string without_url_credentials(std::string_view text);

/// The same for a proxy's address, which may leave out the scheme: `u:p@host:3128`.
std::string without_proxy_credentials(std::string_view text);

}  // namespace base
