#pragma once

#include "llm/sse.h"
#include "llm/upstream_dialect.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// Reads a stream of server-sent events, each one JSON object. A subclass takes them one by one
/// and sets done_ at the proper end; a stream that closes before it is not whole. Some servers
/// answer a stream request with one JSON body: it is read when it is whole.
class EventReader : public AnswerReader {
protected:
    std::optional<Failure> on_bytes(std::string_view bytes, AnswerSink& sink) override;
    std::optional<Failure> on_close(AnswerSink& sink) override;

    /// `data` is a whole JSON object.
    virtual std::optional<Failure> take(std::string_view data, AnswerSink& sink) = 0;
    /// The one body that came instead of events.
    virtual std::expected<Completion, Failure> whole(const Reply& reply) const = 0;

private:
    enum class Form { unknown, events, one_body };

    std::optional<Failure> check(std::string_view data, AnswerSink& sink);
    std::optional<Failure> whole_body(AnswerSink& sink);

    Form form_ = Form::unknown;
    SseReader reader_;
    std::string body_;
    bool any_ = false;
};

}  // namespace llm
