#pragma once

#include "llm/sse.h"
#include "llm/upstream_dialect.h"

namespace llm {

/// An answer that comes as server-sent events, each one JSON object. A subclass says what
/// they mean.
class EventReader : public AnswerReader {
public:
    std::optional<Failure> feed(std::string_view bytes, AnswerSink& sink) override;
    std::optional<Failure> finish(AnswerSink& sink) override;

protected:
    /// `event` is a whole JSON object.
    virtual std::optional<Failure> take(std::string_view event, AnswerSink& sink) = 0;
    /// The events are over and done() is not yet true.
    virtual std::optional<Failure> cut(AnswerSink& sink) = 0;

private:
    std::optional<Failure> take_checked(std::string_view data, AnswerSink& sink);

    SseReader reader_;
};

}  // namespace llm
