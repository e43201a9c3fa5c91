#include "gateway/image_delivery.h"

#include "base/base64.h"
#include "base/log.h"
#include "gateway/auth.h"
#include "gateway/call.h"
#include "gateway/fetch_image.h"
#include "net/aside.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

using base::ErrorKind;
using llm::Failure;
using llm::Image;
using llm::Outcome;

namespace {

/// `example.com`, `10.0.0.1:4000`, `[::1]:4000`: nothing that could end an address or begin
/// another.
bool is_authority(std::string_view host) {
    return !host.empty() && host.size() <= 255 && std::ranges::all_of(host, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) ||
               std::string_view(".-:[]").find(c) != std::string_view::npos;
    });
}

/// Where this client finds our files; empty: it is not known.
std::string own_address(const Session& session) {
    if (!session.lane.shared.public_url.empty()) return session.lane.shared.public_url;
    const std::string_view host = session.exchange.head.headers.get("host");
    if (!is_authority(host)) return {};
    return fmt::format("{}://{}", session.exchange.tls() ? "https" : "http", host);
}

/// Pictures are large: nobody else waits while one is decoded or written.
template <class Work>
auto beside(Session& session, net::Beside kind, Work work) {
    return net::aside(session.lane.worker.loop.get_executor(), kind, std::move(work));
}

/// The image as bytes; Error: it is none.
base::Result<std::string> bytes_of(const Image& image) {
    if (!image.bytes.empty()) return image.bytes;
    auto bytes = base::unbase64(image.base64);
    if (!bytes || llm::image_type(*bytes).empty())
        return base::fail(ErrorKind::protocol, "what came is no image");
    return std::move(*bytes);
}

net::Task<base::Result<std::string>> keep(Session& session, const std::string& bytes) {
    store::Files* const files = session.lane.shared.files;
    const std::string address = own_address(session);
    if (!files) co_return base::fail(ErrorKind::io, "the data folder can't be written");
    if (address.empty())
        co_return base::fail(ErrorKind::unsupported,
                             "the request has no Host, and FREEWAY_PUBLIC_URL is not set");
    auto id = co_await beside(session, net::Beside::disk, [&] {
        return files->put(bytes, llm::image_type(bytes), base::Clock::now());
    });
    if (!id) co_return std::unexpected(id.error());
    co_return address + "/v1/files/" + *id;
}

net::Task<std::optional<Failure>> to_url(Session& session, Image& image) {
    auto bytes = co_await beside(session, net::Beside::cpu, [&] { return bytes_of(image); });
    if (!bytes) co_return Failure{.outcome = Outcome::malformed, .detail = bytes.error().detail};
    auto url = co_await keep(session, *bytes);
    if (url) {
        image = {.url = std::move(*url), .rest = std::move(image.rest)};
        co_return std::nullopt;
    }
    base::log::write(base::log::Level::warning, "a picture can't be kept",
                     {{"reason", url.error().detail}});
    session.step().changes.push_back("answered b64_json: " + url.error().detail);
    if (image.base64.empty())
        image.base64 =
            co_await beside(session, net::Beside::cpu, [&] { return base::base64(*bytes); });
    co_return std::nullopt;
}

}  // namespace

net::Task<std::optional<Failure>> fit_delivery(Session& session, const config::Target& target,
                                               llm::Delivery wanted, base::Time by,
                                               llm::ImageAnswer& answer) {
    for (Image& image : answer.images) {
        if (wanted == llm::Delivery::url) {
            if (!image.url.empty()) continue;
            if (auto failure = co_await to_url(session, image)) co_return failure;
            continue;
        }
        if (!image.base64.empty()) continue;
        if (image.bytes.empty()) {
            auto bytes = co_await fetch_image(session, &target, image.url, by);
            if (!bytes && bytes.error().kind == ErrorKind::gone) co_return client_left();
            if (!bytes)
                co_return Failure{.outcome = Outcome::malformed,
                                  .detail = "the image can't be fetched: " + bytes.error().detail};
            image.bytes = std::move(*bytes);
        }
        image.base64 =
            co_await beside(session, net::Beside::cpu, [&] { return base::base64(image.bytes); });
        image.bytes = {};
    }
    co_return std::nullopt;
}

net::Task<> handle_file(Lane& lane, net::Exchange& exchange, std::string id) {
    const auto refuse = [](net::Exchange& to, ClientError error) -> net::Task<> {
        const std::string body = error_body(error, nullptr);
        co_await to.respond(error.status, {}, "application/json", body);
    };
    if (const auto& allowed = lane.catalog()->settings.allowed_ips)
        if (auto refused = admit(*allowed, exchange.peer()))
            co_return co_await refuse(exchange, std::move(*refused));
    store::Files* files = lane.shared.files;
    base::Result<store::Files::Found> found = base::fail(ErrorKind::not_found, "no files are kept");
    if (files)
        found = co_await net::aside(lane.worker.loop.get_executor(), net::Beside::disk,
                                    [&] { return files->get(id, base::Clock::now()); });
    if (!found) {
        const bool gone = found.error().kind == ErrorKind::not_found;
        co_return co_await refuse(
            exchange, {gone ? 404 : 500,
                       gone ? "There is no such file: pictures are kept for a while only."
                            : "The file can't be read.",
                       gone ? "invalid_request_error" : "server_error",
                       gone ? "not_found" : "file_unreadable",
                       {},
                       {}});
    }
    const std::string age = fmt::format("private, max-age={}", found->left.count() / 1000);
    const std::array headers{net::Header{"Cache-Control", age},
                             net::Header{"X-Content-Type-Options", "nosniff"}};
    co_await exchange.respond(200, headers, found->media_type, found->bytes);
}

}  // namespace gateway
