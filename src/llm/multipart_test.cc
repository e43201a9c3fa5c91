#include "llm/multipart.h"

#include <gtest/gtest.h>

#include <vector>

using namespace llm;
using Kind = MultipartReader::Kind;

namespace {

struct Seen {
    PartHead head;
    std::string bytes;
    bool whole = false;
};

struct Reading {
    std::vector<Seen> parts;
    std::string error;
    bool done = false;
};

void take(MultipartReader& reader, Reading& out) {
    for (;;) {
        auto event = reader.next();
        if (!event) {
            out.error = event.error().detail;
            return;
        }
        if (event->kind == Kind::more) break;
        if (event->kind == Kind::part) out.parts.push_back({reader.part(), {}, false});
        if (event->kind == Kind::data) out.parts.back().bytes += event->data;
        if (event->kind == Kind::end) out.parts.back().whole = true;
    }
    out.done = reader.done();
}

/// `body` fed in two parts, cut at `cut`; 0: byte by byte.
Reading read(std::string_view body, std::size_t cut, std::string_view boundary = "b0") {
    MultipartReader reader(boundary);
    Reading out;
    const std::size_t first = cut == 0 ? 1 : cut;
    for (std::size_t at = 0; at < body.size() && out.error.empty();) {
        const std::size_t size = cut == 0 ? 1 : at == 0 ? first : body.size() - at;
        reader.feed(body.substr(at, size));
        take(reader, out);
        at += size;
    }
    return out;
}

const std::string kBody =
    "a preamble\r\n--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n"
    "--b0  \r\ncontent-disposition: FORM-DATA; name=file; filename=\"a\\\"b;c.wav\"\r\n"
    "Content-Type: audio/wav\r\n\r\n\r\n--b\r\n--b1\r\r\n\r\n--b0"
    "\r\nContent-Disposition: form-data; name=\"none\"\r\n\r\n\r\n--b0--\r\nan epilogue";

TEST(Multipart, ReadsTheSameAtEveryCut) {
    for (std::size_t cut = 0; cut <= kBody.size(); ++cut) {
        SCOPED_TRACE(cut);
        const Reading got = read(kBody, cut);
        ASSERT_EQ(got.error, "");
        ASSERT_TRUE(got.done);
        ASSERT_EQ(got.parts.size(), 3u);
        EXPECT_EQ(got.parts[0].head.name, "model");
        EXPECT_EQ(got.parts[0].bytes, "whisper");
        EXPECT_FALSE(got.parts[0].head.filename);
        EXPECT_EQ(got.parts[1].head.filename, "a\"b;c.wav");
        EXPECT_EQ(got.parts[1].head.content_type, "audio/wav");
        EXPECT_EQ(got.parts[1].bytes, "\r\n--b\r\n--b1\r\r\n");
        EXPECT_EQ(got.parts[2].bytes, "");
        EXPECT_TRUE(got.parts[2].whole);
    }
}

TEST(Multipart, WhatItWritesItReads) {
    std::string body;
    append_field(body, "b0", "timestamp_granularities[]", "word");
    append_part(body, "b0", {"file", "a\"b.mp3", "audio/mpeg"});
    body += "bytes\r\n";
    append_closing(body, "b0");
    const Reading got = read(body, 0);
    ASSERT_TRUE(got.done) << got.error;
    ASSERT_EQ(got.parts.size(), 2u);
    EXPECT_EQ(got.parts[0].head.name, "timestamp_granularities[]");
    EXPECT_EQ(got.parts[1].head.filename, "a%22b.mp3");
    EXPECT_EQ(got.parts[1].bytes, "bytes");
}

TEST(Multipart, NamesInOtherAlphabets) {
    const Reading got = read(
        "--b0\r\nContent-Disposition: form-data; name=\"f\"; filename*=UTF-8''na%C3%AFve.wav\r\n"
        "\r\nx\r\n--b0--",
        0);
    ASSERT_EQ(got.parts.size(), 1u) << got.error;
    EXPECT_EQ(got.parts[0].head.filename, "na\xC3\xAFve.wav");
}

TEST(Multipart, SaysWhatIsWrong) {
    const auto error = [](std::string_view body) { return read(body, body.size()).error; };
    EXPECT_NE(error("--b0\r\n\r\nx\r\n--b0--").find("no name"), std::string::npos);
    EXPECT_NE(error("--b0\r\nContent-Disposition: attachment; name=a\r\n\r\n").find("form-data"),
              std::string::npos);
    EXPECT_NE(error("--b0x\r\n").find("neither a line end"), std::string::npos);
    EXPECT_NE(error("--b0\r\nno colon\r\n\r\n").find("colon"), std::string::npos);
    EXPECT_NE(error("--b0\r\nContent-Disposition: form-data; name=a\r\n"
                    "Content-Transfer-Encoding: base64\r\n\r\n")
                  .find("base64"),
              std::string::npos);
    EXPECT_NE(error(std::string(70'000, 'x')).find("does not come"), std::string::npos);
    EXPECT_NE(error("--b0\r\nX: " + std::string(20'000, 'x')).find("16 KB"), std::string::npos);
    std::string many;
    for (int i = 0; i < 300; ++i) append_field(many, "b0", "a", "1");
    EXPECT_NE(error(many).find("256 parts"), std::string::npos);
}

TEST(Multipart, HoldsOnlyWhatMayBeADelimiter) {
    MultipartReader reader("b0");
    reader.feed("--b0\r\nContent-Disposition: form-data; name=f\r\n\r\n");
    Reading out;
    take(reader, out);
    for (int i = 0; i < 64; ++i) {
        reader.feed(std::string(1000, '\r'));
        take(reader, out);
        EXPECT_GE(out.parts[0].bytes.size(), static_cast<std::size_t>(i + 1) * 1000 - 1);
    }
}

TEST(Multipart, BoundaryOfAContentType) {
    EXPECT_EQ(boundary_of("multipart/form-data; boundary=abc").value(), "abc");
    EXPECT_EQ(boundary_of("Multipart/Form-Data; charset=utf-8; Boundary=\"a b;c\"").value(),
              "a b;c");
    for (const char* bad : {"", "application/json", "multipart/mixed; boundary=a",
                            "multipart/form-data", "multipart/form-data; boundary=\"\""})
        EXPECT_FALSE(boundary_of(bad)) << bad;
    EXPECT_FALSE(boundary_of("multipart/form-data; boundary=" + std::string(71, 'a')));
}

TEST(Multipart, WritesNoLineThatIsNotItsOwn) {
    std::string body;
    append_part(body, "b0", {"a\\", "c:\\x\\", "text/plain\r\nX-Evil: 1"});
    body += "bytes\r\n";
    append_closing(body, "b0");
    EXPECT_EQ(body.find("X-Evil"), body.npos) << body;
    const Reading got = read(body, 0);
    ASSERT_EQ(got.parts.size(), 1u) << got.error;
    EXPECT_EQ(got.parts[0].head.name, "a\\");
    EXPECT_EQ(got.parts[0].head.filename, "c:\\x\\");
    EXPECT_EQ(got.parts[0].head.content_type, "application/octet-stream");
}

}  // namespace
