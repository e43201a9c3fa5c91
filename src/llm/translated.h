#pragma once

#include "llm/chunks.h"
#include "llm/dialect.h"
#include "llm/sse.h"
#include "llm/translate.h"

#include <optional>
#include <string>

namespace llm {

/// What the streams of the translated protocols share: the OpenAI chunks they
/// write, and the rules of a proper end. A subclass reads its own wire format
/// and calls start, text, thinking, stopped and close.
class TextStream : public StreamDecoder {
public:
    TextStream(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request), upstream_(upstream), now_(now) {}

    std::optional<Failure> finish(std::string& out) override;
    void broken(std::string_view error, std::string& out) override;

protected:
    /// Takes what is left at the end of the bytes.
    virtual std::optional<Failure> drain(std::string& out) = 0;

    void start(std::string_view id, std::string& out);
    void text(std::string_view text, std::string& out);
    void thinking(std::string_view text, std::string& out);
    /// Remembers the finish reason, in OpenAI's words.
    void stopped(std::string_view finish_reason) { finish_reason_ = finish_reason; }
    bool has_stopped() const { return !finish_reason_.empty(); }
    /// Writes finish chunk, usage and [DONE]; fails if there was no content.
    std::optional<Failure> close(std::string& out);

    const ChatRequest& request_;
    const Upstream& upstream_;
    base::WallTime now_;

private:
    std::optional<ChunkWriter> chunks_;
    std::string finish_reason_;
    std::uint64_t content_bytes_ = 0;
};

/// A translated stream of server-sent events, each one JSON object.
class TranslatedEvents : public TextStream {
public:
    using TextStream::TextStream;
    std::optional<Failure> feed(std::string_view bytes, std::string& out) override;

private:
    std::optional<Failure> drain(std::string& out) override;
    std::optional<Failure> take_checked(std::string_view data, std::string& out);
    /// `data` is a whole JSON object.
    virtual std::optional<Failure> take(std::string_view data, std::string& out) = 0;

    SseReader reader_;
};

/// The same for a whole answer: usage is estimated where none is known, an answer
/// without any content is a failure.
std::expected<Answer, Failure> finish_answer(const ChatRequest& request, const Upstream& upstream,
                                             WholeAnswer answer);

}  // namespace llm
