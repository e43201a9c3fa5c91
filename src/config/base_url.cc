#include "config/base_url.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace config {
namespace {

using base::ErrorKind;
using base::fail;
using base::Provider;

bool take_suffix(std::string& path, std::string_view suffix) {
    if (!path.ends_with(suffix)) return false;
    path.resize(path.size() - suffix.size());
    return true;
}

void take_first(std::string& path, std::initializer_list<std::string_view> suffixes) {
    for (std::string_view suffix : suffixes) {
        if (take_suffix(path, suffix)) return;
    }
}

bool host_name(std::string_view host) {
    return !host.empty() && std::ranges::all_of(host, [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '.' || c == '_';
    });
}

bool ipv6(std::string_view host) {
    return !host.empty() && std::ranges::all_of(host, [](unsigned char c) {
        return std::isxdigit(c) || c == ':' || c == '.';
    });
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
base::Result<BaseUrl> parse_authority(std::string_view text, BaseUrl url) {
    std::string_view port;
    if (text.starts_with('[')) {
        std::size_t end = text.find(']');
        if (end == std::string_view::npos || !ipv6(text.substr(1, end - 1))) {
            return fail(ErrorKind::bad_input, "the IPv6 address in brackets can't be read");
        }
        url.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (!port.empty() && port.front() != ':') {
            return fail(ErrorKind::bad_input, "only :PORT may follow the bracket");
        }
    } else {
        std::size_t colon = text.find(':');
        url.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon);
        if (!host_name(url.host)) return fail(ErrorKind::bad_input, "the host name can't be read");
    }
    if (port.empty()) return url;
    auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0) {
        return fail(ErrorKind::bad_input, "the port must be from 1 to 65535");
    }
    return url;
}

}  // namespace

std::string BaseUrl::text() const {
    if (host.empty()) return "";
    bool standard = port == (tls ? 443 : 80);
    std::string name = host.contains(':') ? fmt::format("[{}]", host) : host;
    return fmt::format("{}://{}{}{}", tls ? "https" : "http", name,
                       standard ? "" : fmt::format(":{}", port), path);
}

base::Result<BaseUrl> parse_base_url(std::string_view text) {
    text = base::trim(text);
    BaseUrl url;
    std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) {
        return fail(ErrorKind::bad_input, "it must begin with http:// or https://");
    }
    url.tls = base::iequals(text.substr(0, scheme), "https");
    url.port = url.tls ? 443 : 80;
    if (!url.tls && !base::iequals(text.substr(0, scheme), "http")) {
        return fail(ErrorKind::bad_input, "it must begin with http:// or https://");
    }
    text.remove_prefix(scheme + 3);
    if (text.find_first_of("?#") != std::string_view::npos) {
        return fail(ErrorKind::bad_input, "a base has no ? and no #");
    }
    std::size_t slash = std::min(text.find('/'), text.size());
    if (text.substr(0, slash).contains('@')) {
        return fail(ErrorKind::bad_input, "credentials belong in api_key, not in the URL");
    }
    url.path = text.substr(slash);
    while (url.path.ends_with('/')) url.path.pop_back();
    if (std::ranges::any_of(url.path, [](unsigned char c) { return c <= ' ' || c == 0x7f; })) {
        return fail(ErrorKind::bad_input, "the path has a space or a control character");
    }
    return parse_authority(text.substr(0, slash), std::move(url));
}

base::Result<BaseUrl> parse_api_base(std::string_view text, Provider provider) {
    base::Result<BaseUrl> url = parse_base_url(text);
    if (!url) return url;
    switch (provider) {
        case Provider::anthropic: take_first(url->path, {"/v1/messages", "/messages"}); break;
        case Provider::cohere:
            take_first(url->path,
                       {"/v2/chat", "/v1/chat", "/v2/embed", "/v2/rerank", "/v1", "/v2"});
            break;
        case Provider::ollama:
            take_first(url->path, {"/api/chat", "/api/generate", "/api/embed", "/api"});
            break;
        default:
            take_first(url->path,
                       {"/chat/completions", "/completions", "/embeddings", "/images/generations",
                        "/audio/transcriptions", "/audio/speech"});
    }
    while (url->path.ends_with('/')) url->path.pop_back();
    return url;
}

}  // namespace config
