#pragma once

#include <string>
#include <string_view>

namespace llm {

/// Splits a byte stream into server-sent events. LF, CRLF and CR end a line;
/// several data lines are joined with LF; bytes may be cut anywhere. An event is
/// at most `limit` bytes.
///
///     reader.feed(bytes);
///     while (reader.next(event)) …            // views are valid until the next call
class SseReader {
public:
    struct Event {
        std::string_view name;  ///< `event:` field, empty if none
        std::string_view data;  ///< empty for a block of comments alone
        std::string_view raw;   ///< the whole block as it came, blank line included
        bool in_place = true;   ///< `data` lies inside `raw` and can be spliced there
    };
    explicit SseReader(std::size_t limit = 4u << 20);
    void feed(std::string_view bytes);
    bool next(Event& event);
    /// At EOF: the last event may lack its blank line.
    bool last(Event& event);
    /// An event passed the limit: the stream can't be trusted any more, and further bytes are
    /// dropped.
    bool overflow() const { return overflow_; }

private:
    enum class Input { open, closed };
    struct Range {
        std::size_t begin = 0;
        std::size_t size = 0;
    };
    /// What the lines of the block read so far said.
    struct Block {
        Range name;
        Range data;  ///< of the first data line; all of them are in joined_ if there are several
        int data_lines = 0;
    };

    bool take_line(Range& line, Input input);
    bool take_block(Event& event, Input input);
    void field(Range line);
    void emit(Event& event);
    std::string_view view(Range range) const {
        return std::string_view(buffer_).substr(range.begin, range.size);
    }

    std::string buffer_;
    std::size_t begin_ = 0;     ///< of the block being read
    std::size_t line_ = 0;      ///< of the next line
    std::size_t searched_ = 0;  ///< no line end before it
    Block block_;
    std::string joined_;
    std::size_t limit_;
    bool overflow_ = false;
    bool first_line_ = true;  ///< a byte order mark may stand before it
};

}  // namespace llm
