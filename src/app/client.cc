#include "app/client.h"

#include "device/url.h"
#include "net/upstream.h"
#include "net/worker.h"

namespace app {
namespace {

constexpr base::Duration kPatience{2'000};

struct Question {
    net::Origin origin;
    std::string method;
    std::string path;
    std::string headers;
    std::string body;
};

net::Task<> exchange(net::UpstreamClient& client, Question question,
                     base::Result<ClientReply>& result) {
    net::AbortHandle abort;
    const base::Time by = base::Clock::now() + kPatience;
    auto reply = co_await client.send(
        {question.origin, question.method, question.path, question.headers, question.body}, by, by,
        abort);
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

base::Result<ClientReply> ask_gateway(const std::string& url, std::string_view method,
                                      std::string_view path, std::string_view key,
                                      std::string_view body) {
    auto parsed = device::parse_url(url);
    if (!parsed) return base::fail(base::ErrorKind::bad_input, "--url: " + parsed.error().detail);
    Question question{net::Origin(parsed->endpoint), std::string(method), std::string(path),
                      "Content-Type: application/json\r\n", std::string(body)};
    if (!key.empty())
        net::append_header(question.headers, "Authorization", "Bearer " + std::string(key));
    const net::UpstreamSettings settings;
    net::Worker worker;
    net::ClientTls tls;
    net::UpstreamClient client(worker.loop.get_executor(), worker.deadlines, settings, tls);
    base::Result<ClientReply> result = base::fail(base::ErrorKind::internal, "no answer");
    worker.tasks.spawn(exchange(client, std::move(question), result), [] {});
    while (worker.tasks.size() > 0) worker.loop.run_one();
    return result;
}

}  // namespace app
