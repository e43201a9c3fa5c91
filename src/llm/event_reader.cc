#include "llm/event_reader.h"

#include "llm/json.h"
#include "llm/payload.h"

namespace llm {

std::optional<Failure> EventReader::feed(std::string_view bytes, AnswerSink& sink) {
    reader_.feed(bytes);
    SseReader::Event event;
    while (!done() && reader_.next(event))
        if (auto failure = check(event.data, sink)) return failure;
    if (reader_.overflow()) return malformed("an event of the stream is too large");
    return std::nullopt;
}

std::optional<Failure> EventReader::finish(AnswerSink& sink) {
    SseReader::Event event;
    while (!done() && reader_.last(event))
        if (auto failure = check(event.data, sink)) return failure;
    if (done()) return std::nullopt;
    return malformed(any_ ? "the stream ended without a finish reason" : "an empty stream");
}

std::optional<Failure> EventReader::check(std::string_view data, AnswerSink& sink) {
    if (data.empty() || data == "[DONE]") return std::nullopt;
    json::Cursor whole(data);
    if (data.front() != '{' || !whole.skip() || !whole.complete())
        return malformed("an event of the stream is not one JSON object");
    any_ = true;
    return take(data, sink);
}

}  // namespace llm
