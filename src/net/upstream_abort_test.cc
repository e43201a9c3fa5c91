#include "net/test_loopback.h"
#include "net/upstream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace net;
using namespace std::chrono_literals;
using base::ErrorKind;

namespace {

using Reply = base::Result<std::unique_ptr<UpstreamReply>>;

struct Pair {
    explicit Pair(UpstreamSettings with = {}) : settings(std::move(with)) {}

    Started<Reply> begin(const Origin& to, base::Duration connect_time = 5s) {
        const base::Time now = base::Clock::now();
        return start(worker,
                     client.send({to, "POST", "/", {}, "{}"}, now + connect_time, now + 5s, abort));
    }
    bool wait_for(const std::function<bool()>& done) { return until(worker, done); }

    UpstreamSettings settings;
    ClientTls tls;
    Worker worker;
    UpstreamClient client{worker.loop.get_executor(), worker.deadlines, settings, tls};
    RawServer server{worker};
    Origin origin{Endpoint{false, "127.0.0.1", server.port()}};
    AbortHandle abort;
    Drain drain{worker};
};

/// A port whose queue of connections is full: nobody who dials it gets an answer.
class FullPort {
public:
    explicit FullPort(Worker& worker) : acceptor_(worker.loop.get_executor()) {
        const Tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
        acceptor_.open(any.protocol());
        acceptor_.bind(any);
        acceptor_.listen(0);
        for (int i = 0; i < 4; ++i) {
            waiting_.emplace_back(worker.loop.get_executor());
            waiting_.back().async_connect(acceptor_.local_endpoint(), [](const error_code&) {});
        }
    }
    Origin origin() const {
        return Origin(Endpoint{false, "127.0.0.1", acceptor_.local_endpoint().port()});
    }

private:
    Acceptor acceptor_;
    std::vector<Socket> waiting_;
};

}  // namespace

TEST(UpstreamAbort, BeforeTheStartSendsNothing) {
    Pair pair;
    pair.abort.abort();
    const Reply reply = wait(pair.worker, pair.begin(pair.origin));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::gone);
    EXPECT_EQ(pair.server.connections, 0);
}

TEST(UpstreamAbort, T2ConnectingIsTimedOut) {
    Pair pair;
    const FullPort port(pair.worker);
    const Origin origin = port.origin();
    const Reply reply = wait(pair.worker, pair.begin(origin, 50ms));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::timed_out);
    EXPECT_NE(reply.error().detail.find(origin.authority), std::string::npos);
}

TEST(UpstreamAbort, T1EndsAConnectThatHangs) {
    Pair pair;
    const FullPort port(pair.worker);
    const Origin origin = port.origin();
    const auto started = pair.begin(origin);
    run_for(pair.worker, 30ms);
    ASSERT_FALSE(started->has_value());
    const base::Time asked = base::Clock::now();
    pair.abort.abort();
    const Reply reply = wait(pair.worker, started);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::gone);
    EXPECT_LT(base::Clock::now() - asked, 1s);
}

TEST(UpstreamAbort, T1EndsALookUp) {
    Pair pair;
    const Origin by_name(Endpoint{false, "localhost", pair.server.port()});
    const auto started = pair.begin(by_name);
    pair.worker.loop.restart();
    pair.worker.loop.poll_one();
    pair.abort.abort();
    const Reply reply = wait(pair.worker, started);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::gone);
    EXPECT_TRUE(pair.server.requests.empty());
}

TEST(UpstreamAbort, T1EndsTheWaitForAHeadAndClosesTheConnection) {
    Pair pair;
    const auto started = pair.begin(pair.origin);
    ASSERT_TRUE(pair.wait_for([&] { return pair.server.requests.size() == 1; }));
    pair.abort.abort();
    const Reply reply = wait(pair.worker, started);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::gone);
    EXPECT_TRUE(pair.wait_for([&] { return pair.server.ended == 1; }));
    EXPECT_EQ(pair.client.idle(), 0u);
}

TEST(UpstreamAbort, T1EndsABodyUnderWay) {
    Pair pair;
    pair.server.answer({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"});
    Reply reply = wait(pair.worker, pair.begin(pair.origin));
    ASSERT_TRUE(reply);
    const auto body = start(pair.worker, (*reply)->rest(100, base::Clock::now() + 5s));
    run_for(pair.worker, 20ms);
    ASSERT_FALSE(body->has_value());
    pair.abort.abort();
    EXPECT_EQ(wait(pair.worker, body).error().kind, ErrorKind::gone);
    reply->reset();
    EXPECT_TRUE(pair.wait_for([&] { return pair.server.ended == 1; }));
}

TEST(UpstreamAbort, AfterTheReplyIsOverTouchesNothing) {
    Pair pair;
    pair.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
    Reply reply = wait(pair.worker, pair.begin(pair.origin));
    ASSERT_TRUE(reply);
    EXPECT_EQ(run(pair.worker, (*reply)->rest(10, base::Clock::now() + 5s)).value(), "ok");
    pair.abort.abort();
    EXPECT_EQ(pair.client.idle(), 1u);
    reply->reset();
    pair.abort = AbortHandle();
    pair.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
    EXPECT_TRUE(wait(pair.worker, pair.begin(pair.origin)))
        << "the connection is as good as before";
    EXPECT_EQ(pair.server.connections, 1);
}

TEST(UpstreamAbort, ADetachedReplyReadsOn) {
    Pair pair;
    pair.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
    Reply reply = wait(pair.worker, pair.begin(pair.origin));
    ASSERT_TRUE(reply);
    (*reply)->detach();
    pair.abort.abort();
    EXPECT_EQ(run(pair.worker, (*reply)->rest(10, base::Clock::now() + 5s)).value(), "ok");
    EXPECT_EQ(pair.client.idle(), 1u);
}

TEST(UpstreamProxy, PlainRequestsNameTheirWholeTarget) {
    Pair pair;
    pair.settings.proxy.http = pair.origin.endpoint;
    pair.settings.proxy.http_authorization = "Basic abc";
    pair.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
    const Origin far(Endpoint{false, "upstream.test", 80});
    ASSERT_TRUE(wait(pair.worker, pair.begin(far)));
    EXPECT_TRUE(pair.server.requests[0].starts_with(
        "POST http://upstream.test/ HTTP/1.1\r\nHost: upstream.test\r\n"
        "Proxy-Authorization: Basic abc\r\n"))
        << pair.server.requests[0];
}

TEST(UpstreamProxy, TlsAsksForATunnelThatMayBeRefused) {
    Pair pair;
    pair.settings.proxy.https = pair.origin.endpoint;
    pair.settings.proxy.https_authorization = "Basic abc";
    pair.server.answer({"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"});
    const Origin far(Endpoint{true, "upstream.test", 443});
    const Reply reply = wait(pair.worker, pair.begin(far));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::connect);
    EXPECT_NE(reply.error().detail.find("407"), std::string::npos);
    EXPECT_EQ(pair.server.requests[0],
              "CONNECT upstream.test:443 HTTP/1.1\r\nHost: "
              "upstream.test:443\r\nProxy-Authorization: Basic abc\r\n\r\n");
}

TEST(UpstreamProxy, ATunnelToWhatSpeaksNoTlsIsATlsError) {
    Pair pair;
    pair.settings.proxy.https = pair.origin.endpoint;
    pair.server.answer(
        {"HTTP/1.1 200 Connected\r\n\r\nno TLS here, and nothing that looks like it"});
    const Origin far(Endpoint{true, "upstream.test", 443});
    const Reply reply = wait(pair.worker, pair.begin(far));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::tls);
}
