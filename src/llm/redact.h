#pragma once

#include <string>
#include <string_view>

namespace llm {

/// `text` without what must not leave the gateway: API keys, bearer tokens,
/// organisation and user ids, credentials in URLs; at most `limit` bytes, cut
/// between characters, control bytes as spaces.
std::string redact(std::string_view text, std::size_t limit = 300);

}  // namespace llm
