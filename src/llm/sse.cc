#include "llm/sse.h"

#include <algorithm>
#include <cstring>

namespace llm {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Index of `c` in [from, to) of `text`, or `to`.
std::size_t find(std::string_view text, char c, std::size_t from, std::size_t to) {
    const void* hit = from < to ? std::memchr(text.data() + from, c, to - from) : nullptr;
    return hit ? static_cast<std::size_t>(static_cast<const char*>(hit) - text.data()) : to;
}

}  // namespace

SseReader::SseReader(std::size_t limit) : limit_(limit) {}

void SseReader::feed(std::string_view bytes) {
    if (overflow_) return;
    buffer_.erase(0, begin_);
    line_ -= begin_;
    searched_ -= std::min(searched_, begin_);
    block_.name.begin -= std::min(block_.name.begin, begin_);
    block_.data.begin -= std::min(block_.data.begin, begin_);
    begin_ = 0;
    buffer_.append(bytes);
}

/// Takes the next whole line, without its end. A CR that is the last byte so far
/// waits for the next one: an LF may belong to it.
bool SseReader::take_line(Range& line, Input input) {
    std::size_t size = buffer_.size();
    searched_ = std::max(searched_, line_);
    std::size_t end = find(buffer_, '\n', searched_, size);
    std::size_t cr = find(buffer_, '\r', searched_, end);
    std::size_t next = end + 1;
    if (cr < end) {
        next = cr + 1 == end && end < size ? end + 1 : cr + 1;
        end = cr;
        if (next == size && buffer_[next - 1] == '\r' && input == Input::open) {
            searched_ = cr;
            return false;
        }
    } else if (end == size) {
        searched_ = size;
        if (input == Input::open || line_ == size) return false;
        next = size;
    }
    line = {line_, end - line_};
    line_ = next;
    return true;
}

void SseReader::field(Range line) {
    std::string_view text = view(line);
    std::size_t colon = std::min(text.find(':'), text.size());
    Range value{line.begin + std::min(colon + 1, text.size()),
                text.size() - std::min(colon + 1, text.size())};
    if (value.size > 0 && buffer_[value.begin] == ' ') {
        ++value.begin;
        --value.size;
    }
    std::string_view name = text.substr(0, colon);
    if (name == "event") block_.name = value;
    if (name != "data") return;
    if (block_.data_lines == 0)
        block_.data = value;
    else {
        if (block_.data_lines == 1) joined_ = view(block_.data);
        joined_ += '\n';
        joined_ += view(value);
    }
    ++block_.data_lines;
}

void SseReader::emit(Event& event) {
    event.raw = std::string_view(buffer_).substr(begin_, line_ - begin_);
    event.name = view(block_.name);
    event.in_place = block_.data_lines < 2;
    event.data = event.in_place ? view(block_.data) : std::string_view(joined_);
    begin_ = line_;
    block_ = {};
}

bool SseReader::take_block(Event& event, Input input) {
    Range line;
    while (!overflow_ && take_line(line, input)) {
        if (first_line_) {
            first_line_ = false;
            if (view(line).starts_with(kByteOrderMark)) {
                begin_ += kByteOrderMark.size();
                line.begin += kByteOrderMark.size();
                line.size -= kByteOrderMark.size();
            }
        }
        if (line.size > 0) {
            field(line);
        } else if (line.begin == begin_) {
            begin_ = line_;  // a blank line that ends nothing
        } else {
            overflow_ = line_ - begin_ > limit_;
            if (overflow_) return false;
            emit(event);
            return true;
        }
    }
    overflow_ = overflow_ || buffer_.size() - begin_ > limit_;
    return false;
}

bool SseReader::next(Event& event) { return take_block(event, Input::open); }

bool SseReader::last(Event& event) {
    if (take_block(event, Input::closed)) return true;
    if (overflow_ || begin_ == buffer_.size()) return false;
    line_ = buffer_.size();
    emit(event);
    return true;
}

}  // namespace llm
