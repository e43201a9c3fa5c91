#include "app/client.h"

#include "net/upstream.h"
#include "net/worker.h"

#include <boost/asio/detached.hpp>

#include <charconv>

namespace app {
namespace {

constexpr base::Duration kPatience{2'000};

base::Result<net::Endpoint> read_url(std::string_view url) {
    net::Endpoint endpoint;
    endpoint.tls = url.starts_with("https://");
    if (!endpoint.tls && !url.starts_with("http://"))
        return base::fail(base::ErrorKind::bad_input, "--url must be http://HOST:PORT");
    url.remove_prefix(endpoint.tls ? 8 : 7);
    url = url.substr(0, url.find('/'));
    const std::size_t colon = url.rfind(':');
    endpoint.port = endpoint.tls ? 443 : 80;
    if (colon != std::string_view::npos && !url.ends_with(']')) {
        const std::string_view port = url.substr(colon + 1);
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
        if (error != std::errc() || end != port.data() + port.size())
            return base::fail(base::ErrorKind::bad_input, "--url must be http://HOST:PORT");
        url = url.substr(0, colon);
    }
    if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
    endpoint.host = url;
    return endpoint;
}

struct Question {
    net::Origin origin;
    std::string method;
    std::string path;
    std::string headers;
    std::string body;
};

net::Task<> exchange(net::UpstreamClient& client, Question question, base::Result<ClientReply>& result) {
    net::AbortHandle abort;
    const base::Time by = base::Clock::now() + kPatience;
    auto reply = co_await client.send({question.origin, question.method, question.path, question.headers, question.body},
                                      by, by, abort);
    if (!reply) {
        result = std::unexpected(reply.error());
        co_return;
    }
    auto body = co_await (*reply)->rest(16u << 20, by);
    if (!body)
        result = std::unexpected(body.error());
    else
        result = ClientReply{(*reply)->head().status, std::move(*body)};
}

}  // namespace

base::Result<ClientReply> ask_gateway(const std::string& url, std::string_view method, std::string_view path,
                                      std::string_view key, std::string_view body) {
    auto endpoint = read_url(url);
    if (!endpoint) return std::unexpected(endpoint.error());
    auto tls = net::client_tls();
    if (!tls) return std::unexpected(tls.error());
    Question question{net::Origin(*endpoint), std::string(method), std::string(path), "Content-Type: application/json\r\n", std::string(body)};
    if (!key.empty()) net::append_header(question.headers, "Authorization", "Bearer " + std::string(key));
    const net::UpstreamSettings settings;
    net::Worker worker;
    net::UpstreamClient client(worker.loop.get_executor(), worker.deadlines, settings, **tls);
    base::Result<ClientReply> result = base::fail(base::ErrorKind::internal, "no answer");
    worker.tasks.spawn(exchange(client, std::move(question), result), [] {});
    while (worker.tasks.size() > 0) worker.loop.run_one();
    return result;
}

}  // namespace app
