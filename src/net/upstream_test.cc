#include "net/upstream.h"

#include "net/refused.h"
#include "net/test_loopback.h"

#include <gtest/gtest.h>

#include <string>

using namespace net;
using namespace std::chrono_literals;
using base::ErrorKind;

namespace {

using Reply = base::Result<std::unique_ptr<UpstreamReply>>;
using End = RawServer::End;

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream and a client of it in one loop.
struct Pair {
    explicit Pair(UpstreamSettings with = {}) : settings(std::move(with)) {}

    Started<Reply> begin(const Origin& to, AbortHandle& ender, std::string_view body = "{}") {
        return start(worker, client.send({to, "POST", "/v1/x?y", "A: b\r\n", body},
                                         base::Clock::now() + connect_time,
                                         base::Clock::now() + head_time, ender));
    }
    Reply send() { return wait(worker, begin(origin, abort)); }
    base::Result<std::string> rest(UpstreamReply& reply, std::size_t limit = 1000) {
        return run(worker, reply.rest(limit, base::Clock::now() + body_time));
    }
    /// A whole exchange: the body, or `KIND: detail` of what failed.
    std::string ask() {
        Reply reply = send();
        if (!reply) return shown(reply.error());
        const auto body = rest(**reply);
        return body ? *body : shown(body.error());
    }
    static std::string shown(const base::Error& error) {
        switch (error.kind) {
            case ErrorKind::connect: return "connect";
            case ErrorKind::timed_out: return "timed_out";
            case ErrorKind::reset: return "reset";
            case ErrorKind::protocol: return "protocol";
            case ErrorKind::too_large: return "too_large";
            case ErrorKind::gone: return "gone";
            default: return "other: " + error.detail;
        }
    }
    bool wait_for(const std::function<bool()>& done) { return until(worker, done); }

    UpstreamSettings settings;
    base::Duration connect_time = 5s;
    base::Duration head_time = 5s;
    base::Duration body_time = 5s;
    ClientTls tls;
    Worker worker;
    UpstreamClient client{worker.loop.get_executor(), worker.deadlines, settings, tls};
    RawServer server{worker};
    Origin origin{Endpoint{false, "127.0.0.1", server.port()}};
    AbortHandle abort;
    Drain drain{worker};
};

}  // namespace

TEST(Upstream, SendsAWholeRequest) {
    Pair pair;
    pair.server.answer({kOk});
    EXPECT_EQ(pair.ask(), "ok");
    ASSERT_EQ(pair.server.requests.size(), 1u);
    EXPECT_EQ(pair.server.requests[0],
              "POST /v1/x?y HTTP/1.1\r\nHost: " + pair.origin.authority +
                  "\r\nA: b\r\nAccept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_EQ(pair.origin.authority, "127.0.0.1:" + std::to_string(pair.server.port()));
}

TEST(Upstream, HostLeavesOutTheSchemesOwnPort) {
    EXPECT_EQ(Origin(Endpoint{true, "api.test", 443}).authority, "api.test");
    EXPECT_EQ(Origin(Endpoint{true, "api.test", 80}).authority, "api.test:80");
    EXPECT_EQ(Origin(Endpoint{false, "api.test", 80}).authority, "api.test");
    EXPECT_EQ(Origin(Endpoint{false, "::1", 8080}).authority, "[::1]:8080");
}

TEST(Upstream, AProxyIsNotAskedForWhatIsNotPublic) {
    Pair pair;
    pair.settings.proxy.http = pair.origin.endpoint;
    for (const char* host :
         {"10.0.0.1", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "10.0.0.1.", "localhost.",
          "a.localhost", "a.LOCALHOST.", "inner", ".", "nowhere.invalid"}) {
        pair.origin = Origin(Endpoint{false, host, 80, true});
        EXPECT_TRUE(pair.ask().starts_with("other: ")) << host;
    }
    EXPECT_TRUE(pair.server.requests.empty());
    pair.server.answer({kOk});
    pair.origin = Origin(Endpoint{false, "1.1.1.1", 80, true});
    EXPECT_EQ(pair.ask(), "ok");
}

TEST(Upstream, UsesAConnectionAgain) {
    Pair pair;
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"}) {
        pair.server.answer({bytes});
        pair.ask();
        EXPECT_EQ(pair.client.idle(), 1u) << bytes;
    }
    EXPECT_EQ(pair.server.requests.size(), 4u);
    EXPECT_EQ(pair.server.connections, 1);
    pair.server.answer({kOk});
    const Reply reply = pair.send();
    ASSERT_TRUE(reply);
}

TEST(Upstream, DoesNotUseAConnectionAgainThatIsNotClean) {
    Pair pair;
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
          "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok too much",
          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nok\r\n0\r\n\r\n"}) {
        pair.server.answer({bytes});
        EXPECT_EQ(pair.ask(), "ok");
        EXPECT_EQ(pair.client.idle(), 0u) << bytes;
    }
    EXPECT_EQ(pair.server.connections, 4);
    EXPECT_TRUE(pair.wait_for([&] { return pair.server.ended == 4; })) << "they are closed";
}

TEST(Upstream, AnIdleConnectionThatThePeerClosedIsNotUsed) {
    Pair pair;
    pair.server.answer({kOk, End::close});
    EXPECT_EQ(pair.ask(), "ok");
    pair.server.answer({kOk});
    EXPECT_EQ(pair.ask(), "ok");
    EXPECT_EQ(pair.server.connections, 2);
}

TEST(Upstream, AnUnreadReplyClosesItsConnection) {
    Pair pair;
    pair.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf"});
    Reply reply = pair.send();
    ASSERT_TRUE(reply);
    EXPECT_FALSE((*reply)->ended());
    reply->reset();
    EXPECT_EQ(pair.client.idle(), 0u);
    EXPECT_TRUE(pair.wait_for([&] { return pair.server.ended == 1; }));
}

TEST(Upstream, M3IdleConnectionsAreBounded) {
    UpstreamSettings settings;
    settings.idle_per_endpoint = 2;
    Pair pair(settings);
    std::vector<Started<Reply>> started;
    for (int i = 0; i < 4; ++i) pair.server.answer({kOk});
    for (int i = 0; i < 4; ++i) started.push_back(pair.begin(pair.origin, pair.abort));
    for (auto& one : started) {
        Reply reply = wait(pair.worker, one);
        ASSERT_TRUE(reply);
        EXPECT_EQ(pair.rest(**reply).value(), "ok");
    }
    EXPECT_EQ(pair.server.connections, 4);
    EXPECT_EQ(pair.client.idle(), 2u);
    EXPECT_TRUE(pair.wait_for([&] { return pair.server.ended == 2; }));
}

TEST(Upstream, IdleConnectionsAreClosedAfterAWhile) {
    UpstreamSettings settings;
    settings.idle_time = 40ms;
    Pair pair(settings);
    pair.server.answer({kOk});
    pair.ask();
    EXPECT_EQ(pair.client.idle(), 1u);
    EXPECT_TRUE(pair.wait_for([&] { return pair.client.idle() == 0; }));
    EXPECT_TRUE(pair.wait_for([&] { return pair.server.ended == 1; }));
}

TEST(Upstream, AConnectionIsNotUsedAsLongAsItsPeerStatesButALittleLess) {
    Pair pair;
    const auto answer = [&](const std::string& stated) {
        pair.server.answer(
            {"HTTP/1.1 200 OK\r\nKeep-Alive: " + stated + "\r\nContent-Length: 2\r\n\r\nok"});
        ASSERT_EQ(pair.ask(), "ok");
    };
    answer("timeout=5, max=100");
    answer("max=99 , Timeout=1");
    EXPECT_EQ(pair.server.connections, 1) << "there is time left of the five seconds";
    run_for(pair.worker, 600ms);
    answer("timeout=soon");
    EXPECT_EQ(pair.server.connections, 2) << "the second was about to be closed";
    answer("timeout=0");
    EXPECT_EQ(pair.server.connections, 2) << "what can't be read states nothing";
    EXPECT_EQ(pair.client.idle(), 0u);
}

TEST(Upstream, IdleConnectionsAreClosedAlthoughOthersAreBusy) {
    UpstreamSettings settings;
    settings.idle_time = 60ms;
    Pair pair(settings);
    RawServer other(pair.worker);
    const Drain drain(pair.worker);
    const Origin quiet(Endpoint{false, "127.0.0.1", other.port()});
    other.answer({kOk});
    AbortHandle abort;
    Reply reply = wait(pair.worker, pair.begin(quiet, abort));
    ASSERT_TRUE(reply);
    pair.rest(**reply);
    const base::Time by = base::Clock::now() + 600ms;
    while (base::Clock::now() < by && other.ended == 0) {
        pair.server.answer({kOk});
        ASSERT_EQ(pair.ask(), "ok");
        run_for(pair.worker, 5ms);
    }
    EXPECT_EQ(other.ended, 1) << "idle for ten times its time";
}

TEST(Upstream, ReadsBodiesOfEveryFraming) {
    Pair pair;
    for (const std::string& bytes :
         {std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
          std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                      "chunked\r\n\r\n1\r\nh\r\n4;x=y\r\nello\r\n0\r\nT: z\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\n\r\nhello"), std::string("HTTP/1.0 200 OK\r\n\r\nhello"),
          std::string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
                      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")})
        for (const bool piecemeal : {false, true}) {
            pair.server.answer({bytes, End::close, piecemeal});
            EXPECT_EQ(pair.ask(), "hello") << bytes;
        }
}

TEST(Upstream, HandsOutChunksAsTheyCome) {
    Pair pair;
    pair.server.answer({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"});
    Reply reply = pair.send();
    ASSERT_TRUE(reply);
    EXPECT_EQ((*reply)->head().headers.get("transfer-encoding"), "chunked");
    const auto first = run(pair.worker, (*reply)->next(base::Clock::now() + 5s));
    ASSERT_TRUE(first);
    EXPECT_EQ(*first, "ab") << "although more is to come";
    EXPECT_EQ(Pair::shown(run(pair.worker, (*reply)->next(base::Clock::now() + 20ms)).error()),
              "timed_out");
}

TEST(Upstream, ABodyThatBreaksOffIsAReset) {
    Pair pair;
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", "",
          "HTTP/1.1 200 OK\r\nConte"})
        for (const End end : {End::close, End::reset}) {
            pair.server.answer({bytes, end});
            EXPECT_EQ(pair.ask(), "reset") << bytes;
            EXPECT_EQ(pair.client.idle(), 0u);
        }
}

TEST(Upstream, WhatIsNoHttpIsAProtocolError) {
    Pair pair;
    for (const std::string& bytes :
         {std::string("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
          std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk"),
          "HTTP/1.1 200 OK\r\nA: " + std::string(200'000, 'a')}) {
        pair.server.answer({bytes, End::close});
        EXPECT_EQ(pair.ask(), "protocol") << bytes.substr(0, 60);
    }
}

TEST(Upstream, AnAnswerOverTheLimitIsTooLarge) {
    Pair pair;
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n123456",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\n\r\n123456"}) {
        pair.server.answer({bytes, End::close});
        Reply reply = pair.send();
        ASSERT_TRUE(reply);
        EXPECT_EQ(Pair::shown(pair.rest(**reply, 5).error()), "too_large") << bytes;
    }
}

TEST(Upstream, T2ASilentServerIsTimedOut) {
    Pair pair;
    pair.head_time = 30ms;
    EXPECT_EQ(pair.ask(), "timed_out") << "no head";
    pair.head_time = 5s;
    pair.body_time = 30ms;
    pair.server.answer({"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"});
    EXPECT_EQ(pair.ask(), "timed_out") << "no body";
}

TEST(Upstream, ADeadlineThatHasPassedIsTimedOut) {
    Pair pair;
    pair.connect_time = -1ms;
    EXPECT_EQ(pair.ask(), "timed_out") << "before connecting";
    pair.connect_time = 5s;
    pair.head_time = -1ms;
    EXPECT_EQ(pair.ask(), "timed_out") << "before sending";
}

TEST(Upstream, AClosedPortIsAConnectError) {
    Pair pair;
    pair.server.close();
    const Reply reply = pair.send();
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::connect);
    EXPECT_NE(reply.error().detail.find(pair.origin.authority), std::string::npos);
    EXPECT_TRUE(nobody_listens(reply.error(), pair.origin.endpoint));
}

TEST(Upstream, OnlyARefusedConnectionMeansThatNobodyListens) {
    const Endpoint there{false, "127.0.0.1", 81};
    const base::Error refused{ErrorKind::connect, "127.0.0.1:81: Connection refused"};
    EXPECT_TRUE(nobody_listens(refused, there));
    EXPECT_FALSE(nobody_listens(refused, {false, "127.0.0.1", 82})) << "that was a proxy";
    EXPECT_FALSE(nobody_listens({ErrorKind::connect, "127.0.0.1:81: No route to host"}, there));
    EXPECT_FALSE(nobody_listens({ErrorKind::reset, "127.0.0.1:81: Connection refused"}, there));
}

TEST(Upstream, ANameIsLookedUp) {
    Pair pair;
    const Origin by_name(Endpoint{false, "localhost", pair.server.port()});
    pair.server.answer({kOk});
    AbortHandle abort;
    EXPECT_TRUE(wait(pair.worker, pair.begin(by_name, abort)));
    EXPECT_EQ(pair.server.requests[0].find("Host: localhost:"),
              std::string("POST /v1/x?y HTTP/1.1\r\n").size());
}

TEST(Upstream, RedirectsAreHandedOn) {
    Pair pair;
    pair.server.answer(
        {"HTTP/1.1 307 Elsewhere\r\nLocation: http://other.test/\r\nContent-Length: 0\r\n\r\n"});
    const Reply reply = pair.send();
    ASSERT_TRUE(reply);
    EXPECT_EQ((*reply)->head().status, 307);
    EXPECT_EQ(pair.server.requests.size(), 1u);
}
