#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace base {

/// RFC 4648, the usual alphabet, with padding.
std::string base64(std::string_view bytes);

/// The bytes of a base64 text; padding may be missing, line breaks are passed over. nullopt: it
/// is none.
std::optional<std::string> unbase64(std::string_view text);

}  // namespace base
