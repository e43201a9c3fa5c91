#include "llm/sse.h"

#include <gtest/gtest.h>

#include <vector>

namespace llm {
namespace {

struct Seen {
    std::string name;
    std::string data;
    bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& seen, std::ostream* out) { *out << seen.name << '|' << seen.data; }

std::vector<Seen> read(std::string_view text, std::size_t step, std::string* raw = nullptr) {
    SseReader reader;
    SseReader::Event event;
    std::vector<Seen> seen;
    auto take = [&] {
        if (raw) raw->append(event.raw);
        if (!event.data.empty()) seen.push_back({std::string(event.name), std::string(event.data)});
    };
    for (std::size_t at = 0; at < text.size(); at += step) {
        reader.feed(text.substr(at, step));
        while (reader.next(event)) take();
    }
    while (reader.last(event)) take();
    return seen;
}

TEST(SseReader, ReadsTheSameHoweverTheBytesAreCut) {
    for (std::string text :
         {"data: a\n\ndata:b\n\n: note\n\nevent: e\ndata: c\n\n",
          "data: a\r\n\r\ndata:b\r\n\r\n: note\r\n\r\nevent: e\r\ndata: c\r\n\r\n",
          "data: a\r\rdata:b\r\r: note\r\revent: e\rdata: c\r\r",
          "\xEF\xBB\xBF"
          "data: a\n\n\n\ndata:b\nid: 3\n\nretry: 1\n\nevent: e\ndata: c",
          "data: a\n\r\ndata:b\r\n\n: note\n\nevent: e\ndata: c\n"}) {
        for (std::size_t step = 1; step <= text.size(); ++step) {
            std::vector<Seen> expected{{"", "a"}, {"", "b"}, {"e", "c"}};
            EXPECT_EQ(read(text, step), expected) << text << " by " << step;
        }
    }
}

TEST(SseReader, JoinsDataLines) {
    std::string text = "data: a\ndata\ndata: b\ndata:  c\n\ndata: d\n\n";
    for (std::size_t step = 1; step <= text.size(); ++step)
        EXPECT_EQ(read(text, step), (std::vector<Seen>{{"", "a\n\nb\n c"}, {"", "d"}}));
}

TEST(SseReader, RawBlocksAreTheWholeStream) {
    std::string text = "data: a\n\n: note\n\nevent: x\ndata: b\r\n\r\n";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        std::string raw;
        read(text, step, &raw);
        EXPECT_EQ(raw, text);
    }
}

TEST(SseReader, BoundsAnEvent) {
    SseReader reader(100);
    SseReader::Event event;
    reader.feed("data: fine\n\n");
    EXPECT_TRUE(reader.next(event));
    reader.feed("data: " + std::string(200, 'x'));
    EXPECT_FALSE(reader.next(event));
    EXPECT_TRUE(reader.overflow());
    EXPECT_FALSE(reader.last(event));
}

TEST(SseReader, HoldsNothingMoreOnceAnEventWasTooLarge) {
    SseReader reader(10);
    SseReader::Event event;
    reader.feed("data: " + std::string(20, 'x'));
    EXPECT_FALSE(reader.next(event));
    reader.feed("\n\ndata: y\n\n");
    EXPECT_FALSE(reader.next(event));
    EXPECT_TRUE(reader.overflow());
}

}  // namespace
}  // namespace llm
