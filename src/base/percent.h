#pragma once

#include <string>
#include <string_view>

namespace base {

/// `text` as a part of a URL's path or query (RFC 3986): all but letters, digits, `-._~` and the
/// bytes of `also_plain` is written as %XX.
std::string percent_encoded(std::string_view text, std::string_view also_plain = {});

/// The opposite: %XX as its byte. What is no such code stays as it stands.
std::string percent_decoded(std::string_view text);

}  // namespace base
