#include "base/url_credentials.h"

namespace base {
namespace {

/// `host:8080`, `[::1]`, `host`: where it ends in `:` and no number, that is a user and the
/// beginning of a password.
bool is_host_and_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos || text.ends_with(']')) return true;
    return text.find_first_not_of("0123456789", colon + 1) == text.npos;
}

/// How many bytes of a URL from behind its `://` on are its user and password, with the `@`.
std::size_t credentials_length(std::string_view rest) {
    rest = rest.substr(0, rest.find_first_of(" \t\r\n\"'<>"));
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    const std::size_t at = is_host_and_port(authority) ? authority.rfind('@') : rest.rfind('@');
    return at == rest.npos ? 0 : at + 1;
}

}  // namespace

std::string without_url_credentials(std::string_view text) {
    constexpr std::string_view kMark = "://";
    std::string out;
    for (std::size_t mark = 0; (mark = text.find(kMark)) != text.npos;) {
        out += text.substr(0, mark + kMark.size());
        text.remove_prefix(mark + kMark.size());
        text.remove_prefix(credentials_length(text));
    }
    return out += text;
}

std::string without_proxy_credentials(std::string_view text) {
    if (text.find("://") == text.npos) text.remove_prefix(credentials_length(text));
    return without_url_credentials(text);
}

}  // namespace base
