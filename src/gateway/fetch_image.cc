#include "gateway/fetch_image.h"

#include "device/url.h"
#include "llm/images.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

using base::ErrorKind;

namespace {

constexpr int kMostRedirects = 3;
constexpr base::Duration kConnect{10'000};
constexpr std::string_view kHeaders =
    "User-Agent: freeway/" FREEWAY_VERSION "\r\nAccept: image/*\r\nAccept-Encoding: identity\r\n";

bool same_host(const net::Endpoint& a, const net::Endpoint& b) {
    return a.tls == b.tls && a.port == b.port && base::iequals(a.host, b.host);
}

bool own_host(const net::Endpoint& endpoint, const config::BaseUrl& base) {
    return same_host(endpoint, {base.tls, base.host, base.port});
}

}  // namespace

net::Task<base::Result<std::string>> fetch_image(Session& session, const config::Target& target,
                                                 std::string address, base::Time by) {
    auto url = device::parse_url(address);
    if (!url) co_return std::unexpected(url.error());
    for (int hop = 0; hop <= kMostRedirects; ++hop) {
        net::Endpoint endpoint = url->endpoint;
        endpoint.public_only = !own_host(endpoint, target.base);
        const net::Origin origin(std::move(endpoint));
        const base::Time connect_by = std::min(by, base::Clock::now() + kConnect);
        auto reply = co_await session.lane.upstream.send({origin, "GET", url->target, kHeaders, {}},
                                                         connect_by, by, session.abort);
        if (!reply) co_return std::unexpected(reply.error());
        const net::ResponseHead& head = (*reply)->head();
        const std::string_view location = head.headers.get("location");
        if (head.status >= 301 && head.status <= 308 && !location.empty()) {
            auto next = device::follow(*url, location);
            if (!next) co_return std::unexpected(next.error());
            if (!same_host(next->endpoint, url->endpoint))
                co_return base::fail(ErrorKind::refused, "it redirects to another host");
            url = std::move(next);
            continue;
        }
        if (head.status != 200)
            co_return base::fail(ErrorKind::protocol,
                                 fmt::format("it answers with status {}", head.status));
        auto bytes = co_await (*reply)->rest(kMaxFetched, by);
        if (bytes && llm::image_type(*bytes).empty())
            co_return base::fail(ErrorKind::protocol, "what is there is no image");
        co_return bytes;
    }
    co_return base::fail(ErrorKind::refused, "it redirects too often");
}

}  // namespace gateway
