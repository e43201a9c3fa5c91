#include "llm/translated.h"

#include "llm/json.h"
#include "llm/payload.h"
#include "llm/usage_json.h"
#include "llm/verdict.h"

#include <fmt/format.h>

namespace llm {

void TextStream::start(std::string_view id, std::string& out) {
    if (chunks_) return;
    chunks_.emplace(json::quote(id.empty() ? std::string_view("chatcmpl-freeway") : id),
                    std::to_string(unix_seconds(now_)), upstream_.alias);
    chunks_->role(out);
}

void TextStream::text(std::string_view text, std::string& out) {
    if (text.empty()) return;
    start({}, out);
    chunks_->content(out, text);
    content_bytes_ += text.size();
    committed_ = true;
}

void TextStream::thinking(std::string_view text, std::string& out) {
    if (text.empty()) return;
    start({}, out);
    chunks_->reasoning(out, text);
    content_bytes_ += text.size();
    committed_ = true;
}

std::optional<Failure> TextStream::close(std::string& out) {
    if (!committed_)
        if (std::optional<Failure> failure = empty_answer(json::quote(finish_reason_)))
            return failure;
    start({}, out);
    if (!usage_.known) usage_ = estimate_usage(request_, content_bytes_);
    chunks_->finish(out, finish_reason_);
    if (request_.include_usage) chunks_->usage(out, usage_);
    ChunkWriter::done(out);
    committed_ = done_ = true;
    return std::nullopt;
}

std::optional<Failure> TextStream::finish(std::string& out) {
    if (done_) return std::nullopt;
    if (std::optional<Failure> failure = drain(out)) return failure;
    if (done_) return std::nullopt;
    if (!has_stopped())
        return malformed(chunks_ ? "the stream ended without a finish reason" : "an empty stream");
    return close(out);
}

std::optional<Failure> TranslatedEvents::feed(std::string_view bytes, std::string& out) {
    reader_.feed(bytes);
    SseReader::Event event;
    while (!done() && reader_.next(event))
        if (auto failure = take_checked(event.data, out)) return failure;
    if (reader_.overflow()) return malformed("an event of the stream is too large");
    return std::nullopt;
}

std::optional<Failure> TranslatedEvents::drain(std::string& out) {
    SseReader::Event event;
    while (!done() && reader_.last(event))
        if (auto failure = take_checked(event.data, out)) return failure;
    return std::nullopt;
}

std::optional<Failure> TranslatedEvents::take_checked(std::string_view data, std::string& out) {
    if (data.empty() || data == "[DONE]") return std::nullopt;
    json::Cursor whole(data);
    if (data.front() != '{' || !whole.skip() || !whole.complete())
        return malformed("an event of the stream is not one JSON object");
    return take(data, out);
}

std::expected<Answer, Failure> finish_answer(const ChatRequest& request, const Upstream& upstream,
                                             WholeAnswer answer) {
    std::size_t bytes = answer.content.size() + answer.reasoning.size();
    if (bytes == 0)
        if (std::optional<Failure> failure = empty_answer(json::quote(answer.finish_reason)))
            return std::unexpected(std::move(*failure));
    if (!answer.usage.known) answer.usage = estimate_usage(request, bytes);
    return Answer{answer_json(answer, upstream.alias), answer.usage};
}

void TextStream::broken(std::string_view error, std::string& out) {
    fmt::format_to(std::back_inserter(out), "data: {}\n\ndata: [DONE]\n\n", error);
}

}  // namespace llm
