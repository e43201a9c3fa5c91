#include "net/http1.h"

#include <gtest/gtest.h>

#include <string>

using namespace net;

namespace {

/// The status of the refusal, 0 where the head is taken.
int refused(const std::string& bytes) {
    RequestHead head;
    const auto refusal = parse(bytes, head);
    return refusal ? refusal->status : 0;
}

std::string with(const std::string& header_lines) {
    return "POST /v1 HTTP/1.1\r\nHost: x\r\n" + header_lines + "\r\n";
}
std::string line(const std::string& request_line) { return request_line + "\r\nHost: x\r\n\r\n"; }

bool accepted(const std::string& bytes, ResponseHead& head, bool bodiless = false) {
    const auto parsed = parse(bytes, head, bodiless);
    if (!parsed) EXPECT_EQ(parsed.error().kind, base::ErrorKind::protocol) << bytes;
    return parsed.has_value();
}

bool accepted(const std::string& bytes) {
    ResponseHead head;
    return accepted(bytes, head);
}

}  // namespace

TEST(RequestHead, IsTakenApart) {
    RequestHead head;
    ASSERT_FALSE(
        parse("POST /v1/chat?a=1&b=2?c HTTP/1.1\r\nHost: example.test:80\r\nX-Empty:\r\n"
              "Accept: \t one, two \t\r\nContent-Length: 12\r\nACCEPT: three\r\n\r\n",
              head));
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.target, "/v1/chat?a=1&b=2?c");
    EXPECT_EQ(head.path, "/v1/chat");
    EXPECT_EQ(head.query, "a=1&b=2?c");
    EXPECT_EQ(head.framing, Framing::length);
    EXPECT_EQ(head.content_length, 12u);
    EXPECT_TRUE(head.keep_alive);
    EXPECT_FALSE(head.http10);
    EXPECT_EQ(head.headers.get("accept"), "one, two") << "the first of that name";
    EXPECT_TRUE(head.headers.has("x-empty"));
    EXPECT_EQ(head.headers.get("x-empty"), "");
    EXPECT_FALSE(head.headers.has("x-other"));
    EXPECT_EQ(head.headers.all().size(), 5u);
}

TEST(RequestHead, X7SmugglingShapesAreRefused) {
    for (const char* lines : {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                              "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                              "Content-Length: 3\r\nContent-Length: 3\r\n",
                              "Content-Length: 3\r\nContent-Length: 4\r\n",
                              "Content-Length: 3, 3\r\n",
                              "Content-Length:\r\n",
                              "Content-Length: +3\r\n",
                              "Content-Length: -3\r\n",
                              "Content-Length: 0x3\r\n",
                              "Content-Length: 3 4\r\n",
                              "Content-Length: 3.0\r\n",
                              "Content-Length: 99999999999999999999\r\n",
                              "Content-Length : 3\r\n",
                              "Transfer-Encoding : chunked\r\n",
                              "Transfer-Encoding: gzip\r\n",
                              "Transfer-Encoding: gzip, chunked\r\n",
                              "Transfer-Encoding: chunked, gzip\r\n",
                              "Transfer-Encoding: chunked, chunked\r\n",
                              "Transfer-Encoding: xchunked\r\n",
                              "Transfer-Encoding:\r\n",
                              "Transfer-Encoding: identity\r\n",
                              "Transfer-Encoding: \"chunked\"\r\n",
                              "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                              "A: b\r\n c\r\n",
                              "A: b\r\n\tc\r\n",
                              " A: b\r\n",
                              "A: b\n",
                              "A: b\rC: d\r\n",
                              "A: b\r\r\n",
                              "A\r\n",
                              ": b\r\n",
                              "A B: c\r\n",
                              "A\t: c\r\n",
                              "A(: c\r\n"})
        EXPECT_EQ(refused(with(lines)), 400) << lines;
}

TEST(RequestHead, BareLineFeedsAreRefused) {
    EXPECT_EQ(refused("GET / HTTP/1.1\nHost: x\n\n"), 400);
    EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\n\r\n"), 400);
    EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\n\n"), 400);
    EXPECT_EQ(refused("GET / HTTP/1.1\n\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestHead, ControlCharactersAreRefused) {
    for (int c = 0; c < 0x20; ++c) {
        if (c == '\t') continue;
        EXPECT_EQ(refused(with(std::string("A: b") + static_cast<char>(c) + "c\r\n")), 400) << c;
        EXPECT_EQ(refused(with(std::string("A") + static_cast<char>(c) + ": c\r\n")), 400) << c;
        EXPECT_EQ(refused(line(std::string("GET /a") + static_cast<char>(c) + "b HTTP/1.1")), 400)
            << c;
    }
    EXPECT_EQ(refused(with("A: b\x7f\r\n")), 400);
    EXPECT_EQ(refused(with("A: \tb\tc\r\n")), 0);
    EXPECT_EQ(refused(with("A: caf\xc3\xa9\r\n")), 0) << "bytes past ASCII are opaque";
    EXPECT_EQ(refused(line("GET /caf\xc3\xa9 HTTP/1.1")), 400);
}

TEST(RequestHead, RequestLinesThatAreNoneAreRefused) {
    for (const char* text : {"",
                             "GET",
                             "GET ",
                             "GET /",
                             "GET  HTTP/1.1",
                             "GET  / HTTP/1.1",
                             "GET /  HTTP/1.1",
                             "GET / HTTP/1.1 ",
                             " GET / HTTP/1.1",
                             "GET /a b HTTP/1.1",
                             "G(T / HTTP/1.1",
                             "GET\t/ HTTP/1.1",
                             "GET / http/1.1",
                             "GET / FTP/1.1",
                             "GET / ",
                             "GET a HTTP/1.1",
                             "GET *a HTTP/1.1",
                             "GET ftp://h/ HTTP/1.1",
                             "CONNECT host:443 HTTP/1.1",
                             "\x16\x03\x01\x02 / HTTP/1.1"})
        EXPECT_EQ(refused(line(text)), 400) << text;
    EXPECT_EQ(refused(""), 400);
    EXPECT_EQ(refused("\r\n\r\n"), 400);
    EXPECT_EQ(refused("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestHead, OtherVersionsAreRefused) {
    for (const char* version : {"HTTP/0.9", "HTTP/2.0", "HTTP/2", "HTTP/3", "HTTP/1.11", "HTTP/"})
        EXPECT_EQ(refused(line(std::string("GET / ") + version)), 505) << version;
}

TEST(RequestHead, NeedsExactlyOneHost) {
    EXPECT_EQ(refused("GET / HTTP/1.1\r\n\r\n"), 400);
    EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n"), 400);
    EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0);
    EXPECT_EQ(refused("GET / HTTP/1.0\r\n\r\n"), 0);
    EXPECT_EQ(refused("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestHead, Http10ClosesUnlessAsked) {
    RequestHead plain;
    ASSERT_FALSE(parse("GET / HTTP/1.0\r\n\r\n", plain));
    EXPECT_TRUE(plain.http10);
    EXPECT_FALSE(plain.keep_alive);
    RequestHead asked;
    ASSERT_FALSE(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", asked));
    EXPECT_TRUE(asked.keep_alive);
    EXPECT_EQ(refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(RequestHead, ConnectionIsAList) {
    for (const char* lines :
         {"Connection: close\r\n", "connection: CLOSE\r\n", "Connection: x, close\r\n",
          "Connection: close ,x\r\n", "Connection: ,,close\r\n"}) {
        RequestHead head;
        ASSERT_FALSE(parse(with(lines), head)) << lines;
        EXPECT_FALSE(head.keep_alive) << lines;
    }
    for (const char* lines :
         {"Connection: closed\r\n", "Connection: keep-alive, te\r\n", "Connection:\r\n"}) {
        RequestHead head;
        ASSERT_FALSE(parse(with(lines), head)) << lines;
        EXPECT_TRUE(head.keep_alive) << lines;
    }
}

TEST(RequestHead, ConnectionCloseCountsInAnyOfItsLines) {
    RequestHead head;
    ASSERT_FALSE(parse(with("Connection: close\r\nConnection: x-hop\r\n"), head));
    EXPECT_FALSE(head.keep_alive);
}

TEST(RequestHead, TargetsAreOriginAbsoluteOrStar) {
    struct Case {
        const char* target;
        const char* path;
        const char* query;
    };
    for (const Case& c : std::initializer_list<Case>{{"/", "/", ""},
                                                     {"/a?", "/a", ""},
                                                     {"//a/../b", "//a/../b", ""},
                                                     {"/a%2fb", "/a%2fb", ""},
                                                     {"*", "*", ""},
                                                     {"http://h/a?b", "/a", "b"},
                                                     {"https://h:1/a", "/a", ""},
                                                     {"http://h", "/", ""}}) {
        RequestHead head;
        ASSERT_FALSE(parse(line(std::string("OPTIONS ") + c.target + " HTTP/1.1"), head))
            << c.target;
        EXPECT_EQ(head.path, c.path) << c.target;
        EXPECT_EQ(head.query, c.query) << c.target;
        EXPECT_EQ(head.target, c.target);
    }
}

TEST(RequestHead, X2AnAbsoluteFormsQueryIsNoPath) {
    RequestHead head;
    ASSERT_FALSE(parse(line("GET http://h?x=/v1/benches HTTP/1.1"), head));
    EXPECT_EQ(head.path, "/");
}

TEST(RequestHead, IsBounded) {
    const std::string longest = '/' + std::string(kMaxTarget - 1, 'a');
    EXPECT_EQ(refused(line("GET " + longest + " HTTP/1.1")), 0);
    EXPECT_EQ(refused(line("GET " + longest + "a HTTP/1.1")), 414);
    std::string lines;
    for (std::size_t i = 1; i < kMaxHeaders; ++i) lines += "A: b\r\n";
    EXPECT_EQ(refused(with(lines)), 0);
    EXPECT_EQ(refused(with(lines + "A: b\r\n")), 431);
}

TEST(RequestHead, ExpectsOnlyToContinue) {
    RequestHead head;
    ASSERT_FALSE(parse(with("Expect: 100-Continue\r\nContent-Length: 1\r\n"), head));
    EXPECT_TRUE(head.expect_continue);
    EXPECT_EQ(refused(with("Expect: tea\r\n")), 417);
}

TEST(RequestHead, ChunkedAndEmptyBodies) {
    RequestHead chunked;
    ASSERT_FALSE(parse(with("transfer-encoding: Chunked\r\n"), chunked));
    EXPECT_EQ(chunked.framing, Framing::chunked);
    RequestHead empty;
    ASSERT_FALSE(parse(with("Content-Length: 0\r\n"), empty));
    EXPECT_EQ(empty.framing, Framing::none);
    RequestHead none;
    ASSERT_FALSE(parse(with(""), none));
    EXPECT_EQ(none.framing, Framing::none);
}

TEST(RequestHead, BytesAfterTheHeadAreNotPartOfIt) { EXPECT_EQ(refused(with("") + "x"), 400); }

TEST(ResponseHead, FramesItsBody) {
    ResponseHead sized;
    ASSERT_TRUE(accepted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", sized));
    EXPECT_EQ(sized.status, 200);
    EXPECT_EQ(sized.framing, Framing::length);
    EXPECT_EQ(sized.content_length, 5u);
    EXPECT_TRUE(sized.keep_alive);
    ResponseHead chunked;
    ASSERT_TRUE(accepted("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", chunked));
    EXPECT_EQ(chunked.framing, Framing::chunked);
    EXPECT_TRUE(chunked.keep_alive);
    ResponseHead until_close;
    ASSERT_TRUE(accepted("HTTP/1.1 502 Bad Gateway\r\nA: b\r\n\r\n", until_close));
    EXPECT_EQ(until_close.framing, Framing::until_close);
    EXPECT_FALSE(until_close.keep_alive);
    ResponseHead empty;
    ASSERT_TRUE(accepted("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", empty));
    EXPECT_EQ(empty.framing, Framing::none);
}

TEST(ResponseHead, SomeHaveNoBodyWhateverTheySay) {
    for (const char* status :
         {"100 Continue", "103 Early Hints", "204 No Content", "304 Not Modified"})
        for (const char* lines : {"", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
            ResponseHead head;
            ASSERT_TRUE(
                accepted(std::string("HTTP/1.1 ") + status + "\r\n" + lines + "\r\n", head));
            EXPECT_EQ(head.framing, Framing::none) << status << lines;
        }
    ResponseHead to_head;
    ASSERT_TRUE(accepted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", to_head, true));
    EXPECT_EQ(to_head.framing, Framing::none);
}

TEST(ResponseHead, ChunkedBeatsALengthButEndsTheConnection) {
    ResponseHead head;
    ASSERT_TRUE(accepted(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", head));
    EXPECT_EQ(head.framing, Framing::chunked);
    EXPECT_FALSE(head.keep_alive);
}

TEST(ResponseHead, TheSameLengthTwiceIsOneLength) {
    EXPECT_TRUE(accepted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"));
    EXPECT_FALSE(accepted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"));
    EXPECT_FALSE(accepted(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\nContent-Length: 6\r\n\r\n"));
    EXPECT_FALSE(accepted("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"));
}

TEST(ResponseHead, VersionSaysWhetherItStays) {
    ResponseHead old;
    ASSERT_TRUE(accepted("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", old));
    EXPECT_FALSE(old.keep_alive);
    ResponseHead kept;
    ASSERT_TRUE(
        accepted("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", kept));
    EXPECT_TRUE(kept.keep_alive);
    ResponseHead closed;
    ASSERT_TRUE(
        accepted("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n", closed));
    EXPECT_FALSE(closed.keep_alive);
}

TEST(ResponseHead, WhatIsNoneIsAProtocolError) {
    for (const char* bytes :
         {"", "\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
          "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1 600 X\r\n\r\n",
          "HTTP/1.1  200 X\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
          "HTTP/1.1 200 OK\r\nA\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.12 200 OK\r\n\r\n"})
        EXPECT_FALSE(accepted(bytes)) << bytes;
}

TEST(ResponseHead, AStatusHasThreeDigits) {
    EXPECT_FALSE(accepted("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_FALSE(accepted("HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_FALSE(accepted("HTTP/1.x 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

TEST(ResponseHead, ACodingInALineOfItsOwnIsNotOverlooked) {
    EXPECT_FALSE(accepted(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST(HeadLength, IsTheSameAtEverySplit) {
    for (const std::string& bytes :
         {with("A: b\r\n") + "body\r\n\r\n", line("GET / HTTP/1.1"),
          std::string("GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"), std::string("\n\n"),
          std::string("\r\n\r\n"), std::string("a\r\r\n\r\n")}) {
        const std::size_t whole = head_length(bytes, 0);
        ASSERT_GT(whole, 0u);
        for (std::size_t split = 0; split < whole; ++split) {
            EXPECT_EQ(head_length(std::string_view(bytes).substr(0, split), 0), 0u)
                << bytes << " at " << split;
            EXPECT_EQ(head_length(bytes, split), whole) << bytes << " at " << split;
        }
    }
}

TEST(HeadLength, ABareLineFeedEndsTheSearch) {
    EXPECT_EQ(head_length("GET / HTTP/1.1\nHost", 0), 15u);
    EXPECT_EQ(head_length("GET / HTTP/1.1\r\nHost", 0), 0u);
    EXPECT_EQ(head_length("\n", 0), 1u);
    EXPECT_EQ(head_length("", 0), 0u);
}

TEST(Headers, AreWrittenOneToALine) {
    std::string out;
    append_header(out, "A", "b");
    append_header(out, "C", "");
    EXPECT_EQ(out, "A: b\r\nC: \r\n");
}

TEST(Headers, ValuesHoldNoControlCharacters) {
    EXPECT_TRUE(valid_header_value(""));
    EXPECT_TRUE(valid_header_value("a b\tc \xc3\xa9"));
    for (const std::string_view bad :
         {std::string_view("a\rb"), std::string_view("a\nb"), std::string_view("a\0b", 3),
          std::string_view("\x7f"), std::string_view("\x1b[0m")})
        EXPECT_FALSE(valid_header_value(bad));
}
