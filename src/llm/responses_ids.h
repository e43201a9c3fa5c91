#pragma once

#include <string>
#include <string_view>

namespace llm {

/// Ids and encrypted thoughts that freeway has made carry a mark, so that OpenAI is never asked
/// about them and nobody else is given OpenAI's. OpenAI's own ids are hexadecimal.
inline constexpr std::string_view kOurs = "fw";

/// "msg" and "12ab" give "msg_fw12ab".
inline std::string our_id(std::string_view kind, std::string_view rest) {
    std::string id(kind);
    id += '_';
    id += kOurs;
    return id += rest;
}

inline bool is_ours(std::string_view id) {
    const std::size_t mark = id.find('_');
    return mark != id.npos && id.substr(mark + 1).starts_with(kOurs);
}

/// What stands in `encrypted_content` before another provider's signature of its thinking, and
/// before thinking that it gave in encrypted form only.
inline constexpr std::string_view kSigned = "freeway-signed:";
inline constexpr std::string_view kRedacted = "freeway-redacted:";

inline bool is_our_reasoning(std::string_view encrypted) {
    return encrypted.starts_with(kSigned) || encrypted.starts_with(kRedacted);
}

}  // namespace llm
