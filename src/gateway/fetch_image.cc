#include "gateway/fetch_image.h"

#include "base/base64.h"
#include "base/units.h"
#include "device/url.h"
#include "llm/images.h"
#include "llm/redact.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

using base::ErrorKind;

namespace {

constexpr int kMostRedirects = 3;
constexpr base::Duration kConnect{10'000};
constexpr std::size_t kShownAddress = 200;
constexpr std::string_view kHeaders =
    "User-Agent: freeway/" FREEWAY_VERSION "\r\nAccept: image/*\r\nAccept-Encoding: identity\r\n";

bool same_host(const net::Endpoint& a, const net::Endpoint& b) {
    return a.tls == b.tls && a.port == b.port && base::iequals(a.host, b.host);
}

bool own_host(const net::Endpoint& endpoint, const config::BaseUrl& base) {
    return same_host(endpoint, {base.tls, base.host, base.port});
}

bool is_named(const std::vector<std::string>& hosts, const net::Endpoint& endpoint) {
    const std::string with_port = fmt::format("{}:{}", endpoint.host, endpoint.port);
    return std::ranges::any_of(hosts, [&](const std::string& host) {
        return base::iequals(host, endpoint.host) || base::iequals(host, with_port);
    });
}

}  // namespace

net::Task<base::Result<std::string>> fetch_image(Session& session, const config::Target* target,
                                                 std::string address, base::Time by) {
    auto url = device::parse_url(address);
    if (!url) co_return std::unexpected(url.error());
    for (int hop = 0; hop <= kMostRedirects; ++hop) {
        net::Endpoint endpoint = url->endpoint;
        endpoint.public_only = !(target && own_host(endpoint, target->base)) &&
                               !is_named(session.lane.shared.image_hosts, endpoint);
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

namespace {

void collect(std::vector<llm::Part>& parts, std::vector<llm::Part*>& found) {
    for (llm::Part& part : parts) {
        if (part.kind == llm::Part::Kind::image && part.data.empty() && !part.url.empty())
            found.push_back(&part);
        collect(part.parts, found);
    }
}

net::Task<base::Result<void>> put_data(Session& session, llm::Part& part, base::Time by) {
    auto bytes = co_await fetch_image(session, nullptr, part.url, by);
    if (!bytes && bytes.error().kind == ErrorKind::gone) co_return std::unexpected(bytes.error());
    if (!bytes)
        co_return base::fail(
            ErrorKind::unsupported,
            fmt::format("the image at {} can't be fetched for a model that takes "
                        "data alone: {}",
                        llm::redact(part.url, kShownAddress), bytes.error().detail));
    const std::string_view type = llm::image_type(*bytes);
    if (type == "image/gif")
        co_return base::fail(ErrorKind::unsupported,
                             fmt::format("the image at {} is a GIF; send PNG, JPEG or WebP",
                                         llm::redact(part.url, kShownAddress)));
    part.media_type = type;
    part.data = base::base64(*bytes);
    co_return base::Result<void>();
}

}  // namespace

net::Task<base::Result<void>> inline_images(Session& session, const llm::ChatRequest& request,
                                            base::Time by) {
    const base::Result<llm::Chat>& read = llm::canonical(request);
    if (!read) co_return base::Result<void>();  // the dialect says what is wrong
    llm::Chat chat = *read;
    std::vector<llm::Part*> found;
    for (llm::Message& message : chat.messages) collect(message.parts, found);
    if (found.empty()) co_return base::Result<void>();
    if (found.size() > kMostFetched)
        co_return base::fail(ErrorKind::unsupported,
                             fmt::format("{} images by address; at most {} are fetched for a "
                                         "model that takes data alone",
                                         found.size(), kMostFetched));
    std::size_t together = 0;
    for (llm::Part* part : found) {
        auto put = co_await put_data(session, *part, by);
        if (!put) co_return put;
        together += part->data.size();
        if (together > kMostTogether)
            co_return base::fail(ErrorKind::unsupported,
                                 "the images by address are too large together");
    }
    request.chat = std::make_shared<const base::Result<llm::Chat>>(std::move(chat));
    co_return base::Result<void>();
}

}  // namespace gateway
