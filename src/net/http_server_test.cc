#include "net/http_server.h"

#include "net/test_loopback.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace net;
using namespace std::chrono_literals;

namespace {

/// What the handlers below have seen, and what holds one up.
struct Seen {
    std::vector<std::string> requests;  ///< `METHOD target body`, or the kind of failure
    std::size_t limit = 1000;
    std::optional<base::ErrorKind> failure;
    bool hung_up = false;
    Timer* gate = nullptr;
};

Task<> echo(Exchange& exchange, Seen& seen) {
    auto body = co_await exchange.read_body(seen.limit);
    if (!body) {
        seen.failure = body.error().kind;
        co_await exchange.respond(413, {}, "text/plain", "");
        co_return;
    }
    const std::string text =
        std::string(exchange.head.method) + ' ' + std::string(exchange.head.target) + ' ' + *body;
    seen.requests.push_back(text);
    co_await exchange.respond(200, {}, "text/plain", '<' + text + '>');
}

Task<> stream_two(Exchange& exchange, Seen& seen) {
    seen.requests.push_back(std::string(exchange.head.target));
    co_await exchange.begin_stream(200, {}, "text/event-stream");
    co_await exchange.write("hello ");
    co_await exchange.write("");
    co_await exchange.write("world, again and again");
    co_await exchange.end_stream();
}

/// Waits until the test opens the gate or the client hangs up.
Task<> gated(Executor executor, Exchange& exchange, Seen& seen) {
    seen.requests.push_back(std::string(exchange.head.target));
    Timer gate(executor, base::Time::max());
    seen.gate = &gate;
    exchange.watch_hangup([&seen] {
        seen.hung_up = true;
        seen.gate->cancel();
    });
    co_await gate.async_wait(kAwait);
    seen.gate = nullptr;
    co_await exchange.respond(200, {}, "text/plain", "late");
}

Task<> nothing(Exchange&) { co_return; }

Task<> thrower(Exchange&) {
    throw std::runtime_error("a bug");
    co_return;
}

Task<> deaf(Exchange& exchange) { co_await exchange.respond(200, {}, "text/plain", "unread"); }

ServerSettings quick() {
    ServerSettings settings;
    settings.head_time = 5s;
    return settings;
}

/// A listening server in a loop that the test turns.
struct House {
    explicit House(HttpServer::Handler handler = nullptr, ServerSettings with = quick())
        : settings(with),
          server(
              worker, settings,
              handler ? std::move(handler) : [this](Exchange& e) { return echo(e, seen); },
              nullptr) {
        port = server.listen("127.0.0.1", 0).value();
        server.start();
    }
    RawClient client() { return {worker, port}; }
    /// Sends `bytes` on a connection of its own and reads until it is closed.
    std::string talk(const std::string& bytes) {
        RawClient one(worker, port);
        one.send(bytes);
        return one.read_all();
    }
    bool wait_for(const std::function<bool()>& done) { return until(worker, done); }

    Seen seen;
    ServerSettings settings;
    Worker worker;
    HttpServer server;
    std::uint16_t port = 0;
    Drain drain{worker};
};

std::string post(const std::string& target, const std::string& body,
                 const std::string& lines = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: x\r\n" + lines +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string get(const std::string& target, const std::string& lines = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n";
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
        ++n;
    return n;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST(HttpServer, KeepsAConnectionForTheNextRequest) {
    House house;
    RawClient client = house.client();
    client.send(post("/1", "one"));
    EXPECT_EQ(
        client.read_until("one>"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n<POST /1 one>");
    client.send(post("/2", "two"));
    EXPECT_TRUE(has(client.read_until("two>"), "<POST /2 two>"));
    EXPECT_EQ(house.server.connections(), 1u);
    client.close();
    EXPECT_TRUE(house.wait_for([&] { return house.server.connections() == 0; }));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    House house;
    const std::string answer = house.talk(post("/1", "one") + get("/2") + post("/3", "three") +
                                          get("/4", "Connection: close\r\n") + get("/5"));
    EXPECT_EQ(count(answer, "HTTP/1.1 200 OK"), 4u);
    EXPECT_EQ(house.seen.requests,
              (std::vector<std::string>{"POST /1 one", "GET /2 ", "POST /3 three", "GET /4 "}));
    EXPECT_LT(answer.find("<POST /1"), answer.find("<GET /2"));
    EXPECT_LT(answer.find("<POST /3"), answer.find("<GET /4"));
    EXPECT_EQ(count(answer, "Connection: close"), 1u);
}

TEST(HttpServer, ReadsARequestThatComesByteByByte) {
    House house;
    RawClient client = house.client();
    const std::string bytes =
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: y\r\n\r\n";
    for (const char byte : bytes) client.send(std::string(1, byte));
    EXPECT_TRUE(has(client.read_until(">"), "<POST /a hello!>"));
}

TEST(HttpServer, PassesOverABlankLineBeforeARequest) {
    House house;
    EXPECT_TRUE(has(house.talk("\r\n" + get("/", "Connection: close\r\n")), "200 OK"));
    RawClient client = house.client();
    for (const char byte : "\r\n" + get("/")) client.send(std::string(1, byte));
    EXPECT_TRUE(has(client.read_until("\r\n\r\n"), "200 OK")) << "however it is cut";
}

TEST(HttpServer, ReadsChunkedBodiesAndWhatFollowsThem) {
    House house;
    const std::string answer = house.talk(
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n" +
        get("/b", "Connection: close\r\n"));
    EXPECT_EQ(house.seen.requests, (std::vector<std::string>{"POST /a abc", "GET /b "}));
    EXPECT_EQ(count(answer, "200 OK"), 2u);
}

TEST(HttpServer, ReadsALargeBodyAndTheRequestAfterIt) {
    House house;
    house.seen.limit = 10'000'000;
    const std::string body(3'000'001, 'x');
    const std::string answer = house.talk(post("/a", body) + get("/b", "Connection: close\r\n"));
    ASSERT_EQ(house.seen.requests.size(), 2u) << answer.size() << ' ' << answer.substr(0, 200);
    EXPECT_EQ(house.seen.requests[0].size(), body.size() + std::string("POST /a ").size());
    EXPECT_EQ(house.seen.requests[1], "GET /b ");
    EXPECT_TRUE(answer.ends_with("<GET /b >"));
}

TEST(HttpServer, InvitesABodyThatWaits) {
    House house;
    RawClient client = house.client();
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    EXPECT_TRUE(has(client.read_until("abc>"), "HTTP/1.1 200 OK"));
    client.send(post("/b", "xyz", "Expect: 100-continue\r\n"));
    EXPECT_FALSE(has(client.read_until("xyz>"), "100 Continue")) << "the body is here already";
}

TEST(HttpServer, DoesNotInviteABodyThatItWillNotTake) {
    House house;
    house.seen.limit = 2;
    const std::string answer = house.talk(
        "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_FALSE(has(answer, "100 Continue"));
    EXPECT_TRUE(has(answer, "HTTP/1.1 413"));
}

TEST(HttpServer, NeverSendsAnInterimAnswerToHttp10) {
    House house;
    RawClient client = house.client();
    client.send("POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    run_for(house.worker, 20ms);
    client.send("abc");
    const std::string answer = client.read_all();
    EXPECT_FALSE(has(answer, "100 Continue"));
    EXPECT_TRUE(has(answer, "<POST /a abc>"));
}

TEST(HttpServer, AnswersHeadWithoutABody) {
    House house;
    const std::string answer =
        house.talk("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + get("/b", "Connection: close\r\n"));
    EXPECT_FALSE(has(answer, "<HEAD"));
    EXPECT_TRUE(has(answer, "Content-Length: 10\r\n\r\nHTTP/1.1 200 OK"));
    EXPECT_TRUE(has(answer, "<GET /b >"));
}

TEST(HttpServer, ClosesAfterHttp10UnlessAskedToStay) {
    House house;
    const std::string answer = house.talk(
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\nGET /c "
        "HTTP/1.0\r\n\r\n");
    EXPECT_EQ(house.seen.requests, (std::vector<std::string>{"GET /a ", "GET /b "}));
    EXPECT_EQ(count(answer, "Connection: keep-alive"), 1u);
    EXPECT_EQ(count(answer, "Connection: close"), 1u);
}

TEST(HttpServer, StreamsInChunks) {
    Seen seen;
    House house([&seen](Exchange& e) { return stream_two(e, seen); });
    const std::string answer = house.talk(get("/1") + get("/2", "Connection: close\r\n"));
    EXPECT_EQ(count(answer, "\r\n\r\n6\r\nhello \r\n16\r\nworld, again and again\r\n0\r\n\r\n"),
              2u);
    EXPECT_EQ(count(answer, "Transfer-Encoding: chunked"), 2u);
}

TEST(HttpServer, StreamsToHttp10UntilItCloses) {
    Seen seen;
    House house([&seen](Exchange& e) { return stream_two(e, seen); });
    const std::string answer = house.talk("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_TRUE(answer.ends_with("Connection: close\r\n\r\nhello world, again and again"));
    EXPECT_FALSE(has(answer, "chunked"));
}

TEST(HttpServer, X7BodiesOverTheLimitAreRefused) {
    House house;
    house.seen.limit = 5;
    for (const std::string& bytes :
         {post("/", "123456"),
          std::string("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n")}) {
        house.seen.failure.reset();
        const std::string answer = house.talk(bytes + get("/next"));
        EXPECT_EQ(house.seen.failure, base::ErrorKind::too_large);
        EXPECT_TRUE(has(answer, "HTTP/1.1 413"));
        EXPECT_TRUE(has(answer, "Connection: close"));
        EXPECT_EQ(count(answer, "HTTP/1.1"), 1u) << "what follows is not read as a request";
    }
    EXPECT_TRUE(has(house.talk(post("/", "12345", "Connection: close\r\n")), "<POST / 12345>"));
}

TEST(HttpServer, X7SmugglingIsRefusedAndTheConnectionClosed) {
    House house;
    for (const std::string& bytes :
         {std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: "
                      "chunked\r\n\r\n0\r\n\r\n"),
          std::string("GET / HTTP/1.1\nHost: x\n\n"),
          std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
          std::string("\x16\x03\x01\x00\xa5", 5) + " hello\r\n\r\n"}) {
        const std::string answer = house.talk(bytes + get("/smuggled"));
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
        EXPECT_TRUE(has(answer, "Connection: close"));
        EXPECT_TRUE(has(answer, R"("code":"bad_http")"));
        EXPECT_EQ(count(answer, "HTTP/1.1 "), 1u);
    }
    EXPECT_TRUE(house.seen.requests.empty());
}

TEST(HttpServer, X7LongHeadsAreRefused) {
    House house;
    EXPECT_TRUE(
        has(house.talk(get("/", "A: " + std::string(kMaxHead, 'a') + "\r\n")), "HTTP/1.1 431"));
    EXPECT_TRUE(has(house.talk(get("/") + "GET / HTTP/1.1\r\nA: " + std::string(3 * kMaxHead, 'a')),
                    "HTTP/1.1 431"));
    EXPECT_TRUE(has(house.talk(get('/' + std::string(kMaxTarget, 'a'))), "HTTP/1.1 414"));
}

TEST(HttpServer, X7SlowHeadsAreRefusedAndIdleConnectionsClosed) {
    ServerSettings settings;
    settings.head_time = 40ms;
    settings.keep_alive_time = 30ms;
    House house(nullptr, settings);
    EXPECT_TRUE(house.talk("GET / HT").starts_with("HTTP/1.1 408 ")) << "a head that does not come";
    EXPECT_EQ(house.talk(""), "") << "no request at all";
    const std::string answer = house.talk(get("/"));
    EXPECT_EQ(count(answer, "HTTP/1.1"), 1u) << "an idle connection ends without a word";
}

TEST(HttpServer, X7SlowBodiesAreGivenUp) {
    ServerSettings settings;
    settings.body_stall = 30ms;
    House house(nullptr, settings);
    EXPECT_TRUE(has(house.talk("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab"),
                    "HTTP/1.1 413"));
    EXPECT_EQ(house.seen.failure, base::ErrorKind::timed_out);
    house.seen.failure.reset();
    house.talk("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    EXPECT_EQ(house.seen.failure, base::ErrorKind::timed_out);
}

TEST(HttpServer, ABodyThatBreaksOffIsAnError) {
    House house;
    for (const bool hard : {false, true}) {
        house.seen.failure.reset();
        RawClient client = house.client();
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nab");
        if (hard)
            client.reset();
        else
            client.close();
        EXPECT_TRUE(house.wait_for([&] { return house.seen.failure.has_value(); }));
        EXPECT_EQ(house.seen.failure, base::ErrorKind::reset);
    }
    house.seen.failure.reset();
    house.talk("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz");
    EXPECT_EQ(house.seen.failure, base::ErrorKind::protocol);
    EXPECT_TRUE(house.seen.requests.empty());
}

TEST(HttpServer, AHandlerThatFailsIs500) {
    for (const HttpServer::Handler& handler :
         {HttpServer::Handler(nothing), HttpServer::Handler(thrower)}) {
        House house(handler);
        const std::string answer = house.talk(get("/"));
        EXPECT_TRUE(has(answer, "HTTP/1.1 500"));
        EXPECT_TRUE(has(answer, "Connection: close"));
        EXPECT_FALSE(has(answer, "a bug"));
    }
}

TEST(HttpServer, AnUnreadBodyEndsTheConnectionAfterTheAnswer) {
    House house(deaf);
    const std::string answer = house.talk(post("/", std::string(300'000, 'x')) + get("/next"));
    EXPECT_TRUE(answer.ends_with("Connection: close\r\nContent-Length: 6\r\n\r\nunread")) << answer;
}

TEST(HttpServer, T1NoticesAClientThatHangsUpWhileItWaits) {
    Seen seen;
    House* at = nullptr;
    House house([&](Exchange& e) { return gated(at->worker.loop.get_executor(), e, seen); });
    at = &house;
    RawClient client = house.client();
    client.send(get("/"));
    ASSERT_TRUE(house.wait_for([&] { return seen.gate != nullptr; }));
    EXPECT_FALSE(seen.hung_up);
    client.close();
    EXPECT_TRUE(house.wait_for([&] { return seen.hung_up; }));
}

TEST(HttpServer, T1NoticesItOnTheSecondRequestToo) {
    Seen seen;
    House* at = nullptr;
    House house([&](Exchange& e) { return gated(at->worker.loop.get_executor(), e, seen); });
    at = &house;
    RawClient client = house.client();
    for (int i = 0; i < 3; ++i) {
        client.send(get("/"));
        ASSERT_TRUE(house.wait_for([&] { return seen.gate != nullptr; }));
        seen.gate->cancel();
        ASSERT_TRUE(has(client.read_until("late"), "200 OK"));
    }
    client.send(get("/"));
    ASSERT_TRUE(house.wait_for([&] { return seen.gate != nullptr; }));
    client.close();
    EXPECT_TRUE(house.wait_for([&] { return seen.hung_up; }));
}

TEST(HttpServer, APipelinedRequestIsNoHangUp) {
    Seen seen;
    House* at = nullptr;
    House house([&](Exchange& e) { return gated(at->worker.loop.get_executor(), e, seen); });
    at = &house;
    RawClient client = house.client();
    client.send(get("/1"));
    ASSERT_TRUE(house.wait_for([&] { return seen.gate != nullptr; }));
    client.send(get("/2"));
    run_for(house.worker, 300ms);
    EXPECT_FALSE(seen.hung_up);
    seen.gate->cancel();
    EXPECT_TRUE(house.wait_for([&] { return seen.requests.size() == 2 && seen.gate; }));
    seen.gate->cancel();
    EXPECT_TRUE(has(client.read_until("late"), "200 OK"));
}

TEST(HttpServer, DrainClosesIdleConnectionsAndLetsTheRunningOneFinish) {
    Seen seen;
    House* at = nullptr;
    House house([&](Exchange& e) { return gated(at->worker.loop.get_executor(), e, seen); });
    at = &house;
    RawClient idle = house.client();
    RawClient busy = house.client();
    busy.send(get("/"));
    ASSERT_TRUE(house.wait_for([&] { return seen.gate && house.server.connections() == 2; }));
    house.server.stop_accepting();
    EXPECT_EQ(idle.read_all(), "");
    EXPECT_TRUE(idle.eof());
    EXPECT_EQ(house.server.connections(), 1u);
    EXPECT_THROW(house.client(), boost::system::system_error) << "nobody listens any more";
    seen.gate->cancel();
    const std::string answer = busy.read_all();
    EXPECT_TRUE(has(answer, "late"));
    EXPECT_TRUE(house.wait_for([&] { return house.server.connections() == 0; }));
    EXPECT_EQ(house.worker.tasks.size(), 0u);
}

TEST(HttpServer, C2DrainIsToldInTheAnswerUnderWay) {
    Seen seen;
    House* at = nullptr;
    House house([&](Exchange& e) { return gated(at->worker.loop.get_executor(), e, seen); });
    at = &house;
    RawClient client = house.client();
    client.send(get("/"));
    ASSERT_TRUE(house.wait_for([&] { return seen.gate != nullptr; }));
    house.server.stop_accepting();
    seen.gate->cancel();
    EXPECT_TRUE(has(client.read_all(), "Connection: close"));
}

TEST(HttpServer, M3ConnectionsAreBounded) {
    ServerSettings settings = quick();
    settings.max_connections = 2;
    House house(nullptr, settings);
    RawClient one = house.client();
    RawClient two = house.client();
    ASSERT_TRUE(house.wait_for([&] { return house.server.connections() == 2; }));
    EXPECT_EQ(house.talk(""), "");
    EXPECT_EQ(house.server.connections(), 2u);
    one.close();
    ASSERT_TRUE(house.wait_for([&] { return house.server.connections() == 1; }));
    EXPECT_TRUE(has(house.talk(get("/", "Connection: close\r\n")), "200 OK"));
}

TEST(HttpServer, SaysWhyItCannotListen) {
    House house;
    Worker worker;
    HttpServer second(worker, house.settings, nothing, nullptr);
    const auto taken = second.listen("127.0.0.1", house.port);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind, base::ErrorKind::io);
    EXPECT_TRUE(has(taken.error().detail, std::to_string(house.port)));
    HttpServer third(worker, house.settings, nothing, nullptr);
    const auto no_address = third.listen("not an address", 0);
    ASSERT_FALSE(no_address);
    EXPECT_EQ(no_address.error().kind, base::ErrorKind::bad_input);
}

TEST(HttpServer, TlsFilesThatCannotBeReadAreNamed) {
    const auto context = server_tls("/nonexistent/cert.pem", "/nonexistent/key.pem");
    ASSERT_FALSE(context);
    EXPECT_EQ(context.error().kind, base::ErrorKind::bad_input);
    EXPECT_TRUE(has(context.error().detail, "/nonexistent/cert.pem"));
}
