#include "device/url.h"

#include "base/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace device {
namespace {

using base::ErrorKind;
using base::Result;

bool printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

Result<void> read_authority(std::string_view text, net::Endpoint& endpoint) {
    if (text.find('@') != std::string_view::npos)
        return base::fail(ErrorKind::bad_input,
                          "a URL with credentials is not fetched: give one without");
    const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
    if (bracket == std::string_view::npos)
        return base::fail(ErrorKind::bad_input, "the URL's host can't be read");
    endpoint.port = endpoint.tls ? 443 : 80;
    if (const std::size_t colon = text.find(':', bracket); colon != std::string_view::npos) {
        const std::string_view port = text.substr(colon + 1);
        const auto [end, error] =
            std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
        if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0)
            return base::fail(ErrorKind::bad_input, "the URL's port can't be read");
        text = text.substr(0, colon);
    }
    endpoint.host = bracket > 0 ? text.substr(1, bracket - 1) : text;
    if (endpoint.host.empty()) return base::fail(ErrorKind::bad_input, "the URL has no host");
    return {};
}

/// Takes `.` and `..` out of an absolute path.
std::string without_dots(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t end = path.find('/', 1);
        const std::string_view segment = path.substr(0, end);
        const bool last = end == std::string_view::npos;
        path = last ? std::string_view() : path.substr(end);
        if (segment != "/." && segment != "/..") {
            out += segment;
            continue;
        }
        if (segment == "/..") out.resize(out.empty() ? 0 : out.rfind('/'));
        if (last) out += '/';
    }
    return out.empty() ? "/" : out;
}

/// `https` of `HTTPS://host`; empty: a relative reference (RFC 3986, 3.1).
std::string scheme_of(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == text.npos || colon == 0) return "";
    std::string scheme(text.substr(0, colon));
    for (char& c : scheme) {
        const auto byte = static_cast<unsigned char>(c);
        if (!std::isalnum(byte) && c != '+' && c != '-' && c != '.') return "";
        c = static_cast<char>(std::tolower(byte));
    }
    return std::isdigit(static_cast<unsigned char>(scheme.front())) ? "" : scheme;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
    Url url;
    if (!printable(text))
        return base::fail(ErrorKind::bad_input, "the URL holds a character that must be escaped");
    if (text.starts_with("https://"))
        url.endpoint.tls = true;
    else if (!text.starts_with("http://"))
        return base::fail(ErrorKind::bad_input, "the URL is not http:// or https://");
    text.remove_prefix(url.endpoint.tls ? 8 : 7);
    text = text.substr(0, text.find('#'));
    const std::size_t end = text.find_first_of("/?");
    if (auto read = read_authority(text.substr(0, end), url.endpoint); !read)
        return std::unexpected(read.error());
    const std::string_view rest =
        end == std::string_view::npos ? std::string_view() : text.substr(end);
    url.target = (rest.starts_with('/') ? "" : "/") + std::string(rest);
    return url;
}

Result<Url> follow(const Url& base, std::string_view location) {
    const std::string_view scheme = base.endpoint.tls ? "https:" : "http:";
    if (const std::string named = scheme_of(location); named == "http" || named == "https")
        return parse_url(named + std::string(location.substr(named.size())));
    else if (!named.empty())
        return base::fail(ErrorKind::bad_input,
                          "it leads to a " + named.substr(0, 20) +
                              ": address, and only http and https are followed");
    if (location.starts_with("//")) return parse_url(std::string(scheme) + std::string(location));
    if (!printable(location)) return base::fail(ErrorKind::bad_input, "the redirect can't be read");
    location = location.substr(0, location.find('#'));
    Url url = base;
    if (location.empty()) return url;
    const std::string old_path = base.target.substr(0, base.target.find('?'));
    const std::size_t query = location.find('?');
    std::string path(location.substr(0, query));
    if (path.empty())
        path = old_path;
    else if (!path.starts_with('/'))
        path = old_path.substr(0, old_path.rfind('/') + 1) + path;
    url.target = without_dots(path);
    if (query != std::string_view::npos) url.target += location.substr(query);
    return url;
}

namespace {

/// Of links that object stores and model hubs sign.
constexpr std::array<std::string_view, 14> kPassing = {"signature",
                                                       "expires",
                                                       "key-pair-id",
                                                       "policy",
                                                       "awsaccesskeyid",
                                                       "googleaccessid",
                                                       "sig",
                                                       "se",
                                                       "st",
                                                       "sp",
                                                       "sv",
                                                       "sr",
                                                       "token",
                                                       "download"};

bool passes(std::string_view parameter) {
    const std::string_view name = parameter.substr(0, parameter.find('='));
    const auto begins = [name](std::string_view with) {
        return base::iequals(name.substr(0, with.size()), with);
    };
    return begins("x-amz-") || begins("x-goog-") ||
           std::ranges::any_of(kPassing, [name](auto one) { return base::iequals(one, name); });
}

}  // namespace

std::string lasting_url(std::string_view url) {
    url = url.substr(0, url.find('#'));
    const std::size_t question = url.find('?');
    std::string out(url.substr(0, question));
    char before = '?';
    std::string_view query = question == url.npos ? std::string_view() : url.substr(question + 1);
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view parameter = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (parameter.empty() || passes(parameter)) continue;
        out += before;
        out += parameter;
        before = '&';
    }
    return out;
}

std::string_view name_in(std::string_view url) {
    url = url.substr(0, url.find_first_of("?#"));
    while (url.ends_with('/')) url.remove_suffix(1);
    return url.substr(url.rfind('/') + 1);
}

}  // namespace device
