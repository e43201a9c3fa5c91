#include "llm/event_reader.h"

#include "llm/json.h"
#include "llm/payload.h"

namespace llm {

std::optional<Failure> EventReader::on_bytes(std::string_view bytes, AnswerSink& sink) {
    if (form_ == Form::unknown) {
        const std::size_t first = bytes.find_first_not_of(" \t\r\n");
        if (first != bytes.npos) form_ = bytes[first] == '{' ? Form::one_body : Form::events;
    }
    if (form_ == Form::one_body) {
        if (body_.size() + bytes.size() > kLongestBody) return malformed("the body is too large");
        body_ += bytes;
        return std::nullopt;
    }
    reader_.feed(bytes);
    SseReader::Event event;
    while (!done() && reader_.next(event))
        if (auto failure = check(event.data, sink)) return failure;
    if (reader_.overflow()) return malformed("an event of the stream is too large");
    return std::nullopt;
}

std::optional<Failure> EventReader::whole_body(AnswerSink& sink) {
    static const std::vector<Header> kNoHeaders;
    std::expected<Completion, Failure> answer =
        whole({.status = 200, .headers = kNoHeaders, .body = body_});
    if (!answer) return std::move(answer.error());
    usage_ = answer->usage;
    done_ = true;
    replay(*answer, sink);
    return std::nullopt;
}

std::optional<Failure> EventReader::on_close(AnswerSink& sink) {
    if (form_ == Form::one_body) return done() ? std::nullopt : whole_body(sink);
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
