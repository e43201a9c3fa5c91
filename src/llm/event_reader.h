#pragma once

#include "llm/sse.h"
#include "llm/upstream_dialect.h"

#include <optional>
#include <string_view>

namespace llm {

/// Reads a stream of server-sent events, each one JSON object. A subclass takes them one by one
/// and sets done_ at the proper end; a stream that closes before it is not whole.
class EventReader : public AnswerReader {
public:
    std::optional<Failure> feed(std::string_view bytes, AnswerSink& sink) override;
    std::optional<Failure> finish(AnswerSink& sink) override;

protected:
    /// `data` is a whole JSON object.
    virtual std::optional<Failure> take(std::string_view data, AnswerSink& sink) = 0;

private:
    std::optional<Failure> check(std::string_view data, AnswerSink& sink);

    SseReader reader_;
    bool any_ = false;
};

}  // namespace llm
