#include "llm/image_stream.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/take_events.h"

#include <fmt/format.h>

namespace llm {
namespace {

/// One event holds a whole picture in base64.
constexpr std::size_t kLargestEvent = 48u << 20;

}  // namespace

ImageStream::ImageStream(const Upstream& upstream, std::uint64_t images, base::WallTime now)
    : upstream_(upstream), left_(images), now_(now), reader_(kLargestEvent) {}

std::optional<Failure> ImageStream::feed(std::string_view bytes, std::string& out) {
    return take_events(reader_, bytes, *this,
                       [&](const SseReader::Event& event) { return take(event, out); });
}

std::optional<Failure> ImageStream::finish(std::string& out) {
    SseReader::Event event;
    if (!done_ && reader_.last(event))
        if (auto failure = take(event, out)) return failure;
    if (usage_.images == 0) return malformed("the stream ended before a whole image");
    done_ = true;
    return std::nullopt;
}

std::optional<Failure> ImageStream::take(const SseReader::Event& event, std::string& out) {
    if (event.data == "[DONE]") return std::nullopt;
    if (event.data.empty()) {  // a comment: the upstream lives
        out += event.raw;
        return std::nullopt;
    }
    json::Cursor in(event.data);
    std::string_view key;
    std::string_view error;
    std::string_view usage;
    std::string type;
    in.enter_object();
    while (in.next_member(key)) {
        const std::string_view value = in.value();
        if (key == "type")
            type = json::text(value).value_or("");
        else if (key == "error" && value != "null")
            error = value;
        else if (key == "usage")
            usage = value;
    }
    if (!in.complete()) return malformed("an event of the stream is not one JSON object");
    if (!error.empty() || type == "error")
        return classify_embedded(upstream_.provider, event.data, now_);
    const bool whole = type.ends_with(".completed");
    committed_ = committed_ || whole || type.ends_with(".partial_image");
    out += event.raw;
    if (!whole) return std::nullopt;
    usage_.images += 1;
    if (ImageAnswer answer; usage.starts_with('{')) {
        read_image_usage(usage, answer);
        usage_.prompt += answer.usage.prompt;
        usage_.cached += answer.usage.cached;
        usage_.completion += answer.usage.completion;
        usage_.known = answer.usage.known;
        image_input_tokens_ += answer.image_input_tokens;
    }
    done_ = --left_ == 0;
    return std::nullopt;
}

void ImageStream::broken(std::string_view error, std::string& out) {
    const std::string_view inner = json::member(error, "error");
    out += fmt::format("event: error\ndata: {{\"type\":\"error\",\"error\":{}}}\n\n",
                       inner.empty() ? "{}" : inner);
}

}  // namespace llm
