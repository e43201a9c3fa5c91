#include "net/http1.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

using namespace net;

namespace {

struct Decoded {
    std::string payload;
    std::size_t used = 0;
    bool done = false;
    bool failed = false;
    bool operator==(const Decoded&) const = default;
};

/// Feeds `bytes` in pieces of `first` and then `step` bytes.
Decoded decode(const std::string& bytes, std::size_t first, std::size_t step) {
    ChunkDecoder decoder;
    Decoded result;
    for (std::size_t at = 0, size = first; at < bytes.size() && !decoder.done();
         at += size, size = step) {
        std::string piece = bytes.substr(at, size);
        std::size_t used = 0;
        const auto out = decoder.decode(piece.data(), piece.size(), used);
        if (!out) {
            EXPECT_EQ(out.error().kind, base::ErrorKind::protocol);
            result.failed = true;
            return result;
        }
        result.payload.append(piece, 0, *out);
        result.used += used;
        if (!decoder.done()) EXPECT_EQ(used, piece.size()) << "only a finished body leaves bytes";
    }
    result.done = decoder.done();
    return result;
}

Decoded decode(const std::string& bytes) { return decode(bytes, bytes.size(), 1); }

}  // namespace

TEST(ChunkDecoder, IsTheSameAtEverySplit) {
    for (const std::string& bytes :
         {std::string("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), std::string("0\r\n\r\n"),
          std::string(
              "B;name=\"a;b\"\r\nhello\r\nworl\r\n0;last\r\nTrailer: x\r\nOther: y\r\n\r\n"),
          std::string("000a \r\n0123456789\r\n00\r\n\r\n"),
          std::string("1\r\n\n\r\n2\r\n\r\n\r\n0\r\n\r\n")}) {
        const Decoded whole = decode(bytes);
        EXPECT_TRUE(whole.done) << bytes;
        EXPECT_EQ(whole.used, bytes.size());
        for (std::size_t split = 0; split <= bytes.size(); ++split)
            EXPECT_EQ(decode(bytes, split, bytes.size()), whole) << bytes << " at " << split;
        for (std::size_t step = 1; step <= bytes.size(); ++step)
            EXPECT_EQ(decode(bytes, step, step), whole);
    }
}

TEST(ChunkDecoder, HandsOutThePayloadAlone) {
    EXPECT_EQ(decode("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").payload, "hello world");
    EXPECT_EQ(decode("a;x=y\r\n0\r\n\r\n12345\r\n0\r\nTrailer: z\r\n\r\n").payload,
              "0\r\n\r\n12345");
    EXPECT_EQ(decode("0\r\n\r\n").payload, "");
}

TEST(ChunkDecoder, WhatFollowsTheEndStaysUnused) {
    const Decoded decoded = decode("3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    EXPECT_TRUE(decoded.done);
    EXPECT_EQ(decoded.payload, "abc");
    EXPECT_EQ(decoded.used, std::string("3\r\nabc\r\n0\r\n\r\n").size());
}

TEST(ChunkDecoder, IsNotDoneBeforeItsLastByte) {
    const std::string bytes = "3\r\nabc\r\n0\r\nT: x\r\n\r\n";
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(decode(bytes.substr(0, size)).done) << size;
}

TEST(ChunkDecoder, MalformedBodiesAreRefused) {
    for (const char* bytes :
         {"\r\n", "g\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "0x1\r\na", "1\na", ";x\r\n", "1\rx",
          "1;x\na", "1\r\nab", "1\r\na\n", "1\r\na\rx", "0\r\nT: x\n", "0\r\nT: x\rx", "0\r\n\rx",
          "1 \n", "1\r\na\r\n\r\n"}) {
        EXPECT_TRUE(decode(bytes).failed) << bytes;
        EXPECT_TRUE(decode(bytes, 1, 1).failed) << bytes;
    }
}

TEST(ChunkDecoder, SizesThatCannotBeAreRefused) {
    EXPECT_TRUE(decode("ffffffffffffffff\r\n").failed);
    EXPECT_TRUE(decode("10000000000000000\r\n").failed);
    EXPECT_TRUE(decode(std::string(100, '0') + "1\r\na\r\n").failed);
    const Decoded large = decode("fffffffffffffff\r\nabc");
    EXPECT_FALSE(large.failed) << "a large size is only a promise";
    EXPECT_EQ(large.payload, "abc");
}

TEST(ChunkDecoder, ExtensionsAndTrailersAreBounded) {
    EXPECT_FALSE(decode("1;" + std::string(8'000, 'x') + "\r\na\r\n0\r\n\r\n").failed);
    EXPECT_TRUE(decode("1;" + std::string(20'000, 'x') + "\r\na\r\n0\r\n\r\n").failed);
    EXPECT_TRUE(decode("0\r\nT: " + std::string(20'000, 'x') + "\r\n\r\n").failed);
    std::string many;
    for (int i = 0; i < 5'000; ++i) many += "1;abc\r\na\r\n";
    EXPECT_TRUE(decode(many + "0\r\n\r\n").failed) << "in one body together";
}
