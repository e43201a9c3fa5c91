#include "admin/box_proxy.h"

#include "base/log.h"
#include "base/percent.h"
#include "base/units.h"
#include "gateway/agent_box.h"
#include "gateway/errors.h"
#include "gateway/handle.h"
#include "gateway/upload.h"
#include "net/aside.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace admin {
namespace {

using gateway::ClientError;
using net::Exchange;
using net::Task;

/// A run that is waited for may say nothing for as long as it takes.
constexpr base::Duration kSilence{3'600'000};
constexpr base::Duration kConnect{5'000};
constexpr int kMostEncodings = 3;

/// Of one connection, or about who asks: not handed on, in either direction.
constexpr auto kKept = std::to_array<std::string_view>({"connection",
                                                        "keep-alive",
                                                        "proxy-connection",
                                                        "proxy-authenticate",
                                                        "proxy-authorization",
                                                        "te",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade",
                                                        "host",
                                                        "content-length",
                                                        "expect",
                                                        "authorization",
                                                        "x-api-key",
                                                        "api-key",
                                                        "x-litellm-api-key",
                                                        "cookie",
                                                        "set-cookie",
                                                        "forwarded",
                                                        "x-forwarded-for",
                                                        "x-forwarded-host",
                                                        "x-forwarded-proto",
                                                        "x-real-ip",
                                                        "content-type",
                                                        "date",
                                                        "server"});

/// `Connection: close, X-Hop` makes X-Hop one of this connection's as well.
bool named_by(std::string_view connection, std::string_view header) {
    while (!connection.empty()) {
        const std::size_t comma = connection.find(',');
        if (base::iequals(base::trim(connection.substr(0, comma)), header)) return true;
        if (comma == connection.npos) break;
        connection.remove_prefix(comma + 1);
    }
    return false;
}

bool handed_on(const net::Headers& headers, const net::Header& header) {
    const auto same = [&](std::string_view kept) { return base::iequals(kept, header.name); };
    return std::ranges::none_of(kKept, same) && !named_by(headers.get("connection"), header.name);
}

const config::Target* box_of(const config::Catalog& catalog, config::AgentKind agent) {
    const auto box = std::ranges::find_if(catalog.targets, [&](const config::Target& target) {
        return target.agent == agent && !target.native && target.left_out.empty();
    });
    return box == catalog.targets.end() ? nullptr : &*box;
}

Task<> refuse(Exchange& exchange, ClientError error) {
    co_await exchange.respond(error.status, {}, "application/json",
                              gateway::error_body(error, nullptr));
}

ClientError unreachable(std::string_view route, const base::Error& error) {
    const bool late = error.kind == base::ErrorKind::timed_out;
    return {late ? 504 : 502,
            fmt::format("{} can't be reached: {}", route, error.detail),
            "server_error",
            late ? "upstream_timeout" : "upstream_error",
            {},
            {}};
}

/// Said by freeway itself.
bool ours(std::string_view name) {
    return base::iequals(name, "user-agent") || base::iequals(name, "accept-encoding");
}

std::string request_lines(const net::Headers& headers, const std::string& own) {
    std::string lines = own;
    if (const std::string_view type = headers.get("content-type"); !type.empty())
        net::append_header(lines, "Content-Type", type);
    for (const net::Header& header : headers.all())
        if (handed_on(headers, header) && !ours(header.name))
            net::append_header(lines, header.name, header.value);
    return lines;
}

/// The answer, piece by piece. A stream that breaks is not ended, so it never looks whole.
Task<> relay(Exchange& exchange, net::UpstreamReply& reply) {
    const net::ResponseHead& head = reply.head();
    std::vector<net::Header> list;
    for (const net::Header& header : head.headers.all())
        if (handed_on(head.headers, header) && net::valid_header_value(header.value))
            list.push_back(header);
    const std::string_view type = head.headers.get("content-type");
    const bool bare = exchange.head.method == "HEAD" || head.status == 204 || head.status == 304;
    if (bare) {
        co_await exchange.respond(head.status, list, type, {});
        co_return;
    }
    bool here = co_await exchange.begin_stream(head.status, list, type);
    while (here) {
        auto bytes = co_await reply.next(base::Clock::now() + kSilence);
        if (!bytes) co_return;
        here = bytes->empty() ? co_await exchange.end_stream() : co_await exchange.write(*bytes);
        if (bytes->empty()) co_return;
    }
}

/// The body, of any size: large ones wait in a file until they are whole.
Task<base::Result<gateway::Blob>> read_all(gateway::Lane& lane, Exchange& exchange) {
    gateway::Blob blob;
    for (;;) {
        auto bytes = co_await exchange.read_some(lane.catalog()->settings.max_upload_bytes);
        if (!bytes) co_return std::unexpected(bytes.error());
        if (bytes->empty()) co_return std::move(blob);
        const auto append = [&] { return blob.append(*bytes, lane.shared.upload_folder); };
        const base::Result<void> kept =
            blob.stores(bytes->size())
                ? co_await net::aside(lane.worker.loop.get_executor(), net::Beside::disk, append)
                : append();
        if (!kept) co_return std::unexpected(kept.error());
    }
}

bool plain_segment(std::string_view segment) {
    std::string text(segment);
    for (int round = 0; round <= kMostEncodings; ++round) {
        const bool odd = std::ranges::any_of(
            text, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/' || c == '\\'; });
        if (odd || text == "." || text == "..") return false;
        std::string next = base::percent_decoded(text);
        if (next == text) return true;
        text = std::move(next);
    }
    return false;  // nobody encodes a name that often for a good reason
}

}  // namespace

std::optional<BoxPath> box_path(std::string_view path) {
    constexpr std::array kRoutes{
        BoxPath{config::AgentKind::claudebox, "claudebox", {}},
        BoxPath{config::AgentKind::pibox, "pibox-zai", {}},
    };
    for (BoxPath route : kRoutes) {
        if (!path.starts_with('/') || !path.substr(1).starts_with(route.route)) continue;
        route.rest = path.substr(1 + route.route.size());
        if (route.rest.empty() || route.rest.starts_with('/')) return route;
    }
    return std::nullopt;
}

bool stays_below(std::string_view path) {
    while (path.starts_with('/')) {
        path.remove_prefix(1);
        if (path.empty()) return true;  // a folder's name may end with a slash
        const std::size_t slash = std::min(path.find('/'), path.size());
        if (slash == 0 || !plain_segment(path.substr(0, slash))) return false;
        path.remove_prefix(slash);
    }
    return path.empty();
}

Task<> hand_to_box(gateway::Lane& lane, Exchange& exchange, BoxPath path) {
    const std::shared_ptr<gateway::Ways> ways = lane.ways;
    const config::Target* box = box_of(*ways->catalog(), path.agent);
    if (!box)
        co_return co_await refuse(
            exchange, {404,
                       fmt::format("There is no {} here: set its flag and its token in .env. (Its "
                                   "command line, where freeway runs that, has no paths.)",
                                   path.route),
                       "invalid_request_error",
                       "not_found",
                       {},
                       {}});
    if (!stays_below(path.rest))
        co_return co_await refuse(exchange,
                                  {400,
                                   "The path leads out of the box: no `..`, no empty segment.",
                                   "invalid_request_error",
                                   "bad_path",
                                   {},
                                   {}});
    auto body = co_await read_all(lane, exchange);
    if (!body) co_return co_await refuse(exchange, gateway::unreadable(body.error()));

    net::AbortHandle abort;
    exchange.watch_hangup([&] {
        exchange.mark_gone();
        abort.abort();
    });
    const gateway::Way& way = ways->to(*box);
    std::string target = gateway::box_root(*box);
    target += path.rest.empty() ? "/" : path.rest;
    if (!exchange.head.query.empty()) target += '?' + std::string(exchange.head.query);
    const std::string lines = request_lines(exchange.head.headers, way.headers);
    const std::array pieces{body->piece()};
    const base::Time now = base::Clock::now();
    auto reply =
        co_await lane.upstream.send({.origin = way.origin,
                                     .method = exchange.head.method,
                                     .target = target,
                                     .headers = lines,
                                     .body = {},
                                     .pieces = std::span(pieces).first(body->size() > 0 ? 1 : 0),
                                     .head_by_most = now + kSilence},
                                    now + kConnect, now + kSilence, abort);
    int status = reply ? (*reply)->head().status : 0;
    if (reply) co_await relay(exchange, **reply);
    if (!reply && !exchange.gone()) {
        const ClientError error = unreachable(path.route, reply.error());
        status = error.status;
        co_await refuse(exchange, error);
    }
    exchange.unwatch_hangup();
    base::log::write(base::log::Level::info, "agent box",
                     {{"box", path.route},
                      {"method", exchange.head.method},
                      {"path", base::shown(path.rest, 200)},
                      {"status", exchange.gone() ? 499 : status}});
}

}  // namespace admin
