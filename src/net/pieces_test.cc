#include "net/test_loopback.h"

#include <gtest/gtest.h>

#include <string>

#include <unistd.h>

using namespace net;
using namespace std::chrono_literals;
using base::ErrorKind;

namespace {

struct Taken {
    std::string body;
    std::optional<ErrorKind> failure;
    int requests = 0;
};

Task<> take(Exchange& exchange, std::uint64_t limit, Taken& out) {
    ++out.requests;
    out.body.clear();
    for (;;) {
        auto bytes = co_await exchange.read_some(limit);
        if (!bytes) out.failure = bytes.error().kind;
        if (!bytes || bytes->empty()) break;
        out.body += *bytes;
    }
    co_await exchange.respond(out.failure ? 413 : 200, {}, "text/plain", "taken");
}

/// A server that takes bodies in pieces.
struct House {
    explicit House(ServerSettings with = {}, std::uint64_t limit = 1u << 20)
        : settings(with),
          server(
              worker, settings, [this, limit](Exchange& e) { return take(e, limit, taken); },
              nullptr) {
        port = server.listen("127.0.0.1", 0).value();
        server.start();
    }
    Taken taken;
    ServerSettings settings;
    Worker worker;
    HttpServer server;
    std::uint16_t port = 0;
    Drain drain{worker};
};

const std::string kHead = "POST /x HTTP/1.1\r\nHost: x\r\n";

TEST(BodyInPieces, SizedAndChunkedWithTheRequestBehind) {
    House house;
    RawClient client(house.worker, house.port);
    client.send(kHead + "Content-Length: 5\r\n\r\nhello" + kHead +
                "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
    client.read_until("takenHTTP/1.1 200");
    until(house.worker, [&] { return house.taken.requests == 2; });
    EXPECT_EQ(house.taken.body, "abcdefg");
    client.send(kHead + "Content-Length: 0\r\n\r\n");
    client.read_until("taken");
    EXPECT_EQ(house.taken.requests, 3);
    EXPECT_EQ(house.taken.body, "");
}

TEST(BodyInPieces, LargerThanAnyRead) {
    House house;
    RawClient client(house.worker, house.port);
    std::string body;
    while (body.size() < 900'000) body += std::to_string(body.size()) + ' ';
    client.send(kHead + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    client.read_until("taken");
    EXPECT_TRUE(house.taken.body == body);
}

TEST(BodyInPieces, TooLargeIsRefusedHoweverItIsFramed) {
    for (const char* framing :
         {"Content-Length: 11\r\n\r\n12345678901",
          "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n"}) {
        House house({}, 10);
        RawClient client(house.worker, house.port);
        client.send(kHead + framing);
        EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 413")) << framing;
        EXPECT_EQ(house.taken.failure, ErrorKind::too_large);
    }
}

TEST(BodyInPieces, ASteadyBodyMayTakeLongerThanABodyTime) {
    ServerSettings settings;
    settings.body_time = 60ms;
    settings.slowest_body = 1'000;
    House house(settings);
    RawClient client(house.worker, house.port);
    client.send(kHead + "Content-Length: 600\r\n\r\n");
    for (int i = 0; i < 6; ++i) {
        client.send(std::string(100, 'x'));
        run_for(house.worker, 30ms);
    }
    client.read_until("taken");
    EXPECT_EQ(house.taken.body.size(), 600u);
    EXPECT_FALSE(house.taken.failure);
}

TEST(BodyInPieces, ATrickleIsGivenUp) {
    ServerSettings settings;
    settings.body_time = 60ms;
    settings.slowest_body = 1'000;
    House house(settings);
    RawClient client(house.worker, house.port);
    client.send(kHead + "Content-Length: 600\r\n\r\n");
    for (int i = 0; i < 12 && !house.taken.failure; ++i) {
        client.send("x");
        run_for(house.worker, 20ms);
    }
    EXPECT_EQ(house.taken.failure, ErrorKind::timed_out);
}

TEST(BodyInPieces, ABodyThatBreaksOffIsAnError) {
    House house;
    RawClient client(house.worker, house.port);
    client.send(kHead + "Content-Length: 600\r\n\r\nabc");
    client.close();
    until(house.worker, [&] { return house.taken.failure.has_value(); });
    EXPECT_EQ(house.taken.failure, ErrorKind::reset);
}

/// An upstream and a client that sends it a file between two texts.
struct Sender {
    explicit Sender(std::size_t size) : size_(size) {
        content.resize(size, 'f');
        file = ::fileno(::tmpfile());
        if (::write(file, content.data(), size) < 0) throw std::runtime_error("no file");
    }
    ~Sender() { ::close(file); }
    Started<base::Result<std::unique_ptr<UpstreamReply>>> begin() {
        pieces = {{.bytes = "before "}, {{}, file, size_}, {.bytes = " behind"}};
        const base::Time by = base::Clock::now() + 5s;
        return start(worker, client.send({origin, "POST", "/x", "", "", nullptr, pieces, by}, by,
                                         by, abort));
    }
    std::string answer() {
        auto reply = wait(worker, begin());
        if (!reply) return "failed: " + reply.error().detail;
        auto body = run(worker, (*reply)->rest(1000, base::Clock::now() + 5s));
        return std::to_string((*reply)->head().status) + ' ' + body.value_or("cut");
    }

    std::size_t size_;
    std::string content;
    int file = -1;
    std::vector<BodyPiece> pieces;
    UpstreamSettings settings;
    ClientTls tls;
    Worker worker;
    UpstreamClient client{worker.loop.get_executor(), worker.deadlines, settings, tls};
    RawServer server{worker};
    Origin origin{Endpoint{false, "127.0.0.1", server.port()}};
    AbortHandle abort;
    Drain drain{worker};
};

TEST(UpstreamPieces, AFileIsSentBetweenTexts) {
    Sender sender(300'000);
    sender.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
    EXPECT_EQ(sender.answer(), "200 ok");
    const std::string& seen = sender.server.requests.at(0);
    EXPECT_NE(seen.find("Content-Length: 300014\r\n"), std::string::npos);
    EXPECT_TRUE(seen.ends_with("\r\n\r\nbefore " + sender.content + " behind"));
    EXPECT_EQ(sender.client.idle(), 1u);
}

/// Reads a head, answers, and reads no further.
Task<> answer_early(Acceptor& acceptor, Worker& worker, bool close) {
    auto [error, socket] = co_await acceptor.async_accept(worker.loop.get_executor(), kAwait);
    Stream stream(std::move(socket), worker.deadlines);
    std::array<char, 4096> some;
    co_await stream.read_some(asio::buffer(some), base::Clock::now() + 5s);
    co_await stream.write({"HTTP/1.1 413 No\r\nContent-Length: 5\r\n\r\nlarge", {}, {}},
                          base::Clock::now() + 5s);
    if (!close) co_await sleep_until(worker.loop.get_executor(), base::Clock::now() + 1s);
}

TEST(UpstreamPieces, AnAnswerBeforeTheWholeBodyIsRead) {
    for (const bool close : {false, true}) {
        SCOPED_TRACE(close);
        Sender sender(20'000'000);
        Acceptor acceptor(sender.worker.loop.get_executor(),
                          Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        sender.worker.tasks.spawn(answer_early(acceptor, sender.worker, close), [] {});
        sender.origin = Origin(Endpoint{false, "127.0.0.1", acceptor.local_endpoint().port()});
        const base::Time begun = base::Clock::now();
        EXPECT_EQ(sender.answer(), "413 large");
        EXPECT_LT(base::Clock::now() - begun, 900ms);
        EXPECT_EQ(sender.client.idle(), 0u);
    }
}

}  // namespace
