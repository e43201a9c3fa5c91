#include "base/base64.h"
#include "base/percent.h"
#include "base/units.h"
#include "net/upstream.h"

#include <boost/asio/ip/address.hpp>

#include <charconv>
#include <cstdlib>

namespace net {
namespace {

using base::ErrorKind;
using base::Result;

std::string variable(std::string_view upper, std::string_view lower) {
    for (const std::string_view name : {lower, upper})
        if (const char* value = std::getenv(std::string(name).c_str()); value && *value)
            return value;
    return {};
}

/// `http://user:password@host:port/`, `host:port`.
Result<Endpoint> read_proxy(std::string_view name, std::string_view text,
                            std::string& authorization) {
    const auto bad = [&] {
        return base::fail(ErrorKind::bad_input, std::string(name) + " is not http://HOST:PORT");
    };
    if (text.starts_with("http://")) text.remove_prefix(7);
    if (text.find("://") != std::string_view::npos) return bad();
    text = text.substr(0, text.find('/'));
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        authorization = "Basic " + base::base64(base::percent_decoded(text.substr(0, at)));
        text.remove_prefix(at + 1);
    }
    Endpoint endpoint{false, {}, 8080};
    const std::size_t colon = text.rfind(':');
    const bool bracketed = text.starts_with('[');
    if (colon != std::string_view::npos && (!bracketed || colon > text.find(']'))) {
        const std::string_view port = text.substr(colon + 1);
        const auto [end, error] =
            std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
        if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0)
            return bad();
        text = text.substr(0, colon);
    }
    if (bracketed && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    if (text.empty()) return bad();
    endpoint.host = text;
    return endpoint;
}

bool loopback(std::string_view host) {
    if (host == "localhost") return true;
    error_code error;
    const auto address = asio::ip::make_address(std::string(host), error);
    return !error && address.is_loopback();
}

}  // namespace

bool ProxySettings::bypass(std::string_view host) const {
    if (loopback(host)) return true;
    std::string_view list = no_proxy;
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        std::string_view entry = base::trim(list.substr(0, comma));
        list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
        if (entry == "*") return true;
        if (entry.starts_with('.')) entry.remove_prefix(1);
        if (entry.empty() || host.size() < entry.size()) continue;
        const std::string_view tail = host.substr(host.size() - entry.size());
        const bool whole_label =
            host.size() == entry.size() || host[host.size() - entry.size() - 1] == '.';
        if (whole_label && base::iequals(tail, entry)) return true;
    }
    return false;
}

Result<ProxySettings> ProxySettings::from_environment() {
    ProxySettings settings;
    settings.no_proxy = variable("NO_PROXY", "no_proxy");
    if (const std::string text = variable("HTTP_PROXY", "http_proxy"); !text.empty()) {
        auto endpoint = read_proxy("HTTP_PROXY", text, settings.http_authorization);
        if (!endpoint) return std::unexpected(endpoint.error());
        settings.http = *endpoint;
    }
    if (const std::string text = variable("HTTPS_PROXY", "https_proxy"); !text.empty()) {
        auto endpoint = read_proxy("HTTPS_PROXY", text, settings.https_authorization);
        if (!endpoint) return std::unexpected(endpoint.error());
        settings.https = *endpoint;
    }
    return settings;
}

}  // namespace net
