#pragma once

#include "llm/characters.h"
#include "llm/dialect.h"

#include <expected>
#include <memory>
#include <optional>
#include <string_view>

namespace llm {

/// Reads one upstream stream into the canonical form. One per attempt.
class AnswerReader {
public:
    virtual ~AnswerReader() = default;

    /// Takes upstream bytes, cut anywhere. A returned failure ends the attempt.
    std::optional<Failure> feed(std::string_view bytes, AnswerSink& sink) {
        return on_bytes(bytes, characters_.to(sink));
    }
    /// The upstream closed in order. Ends the answer, or says why it is not whole.
    std::optional<Failure> finish(AnswerSink& sink) { return on_close(characters_.to(sink)); }
    /// The proper end was seen and sink.finish() called: the rest is not needed.
    bool done() const { return done_; }
    /// What the upstream has said of usage so far.
    const Usage& usage() const { return usage_; }

protected:
    /// What these give to `sink` may be cut inside a character, as the upstream's pieces are.
    virtual std::optional<Failure> on_bytes(std::string_view bytes, AnswerSink& sink) = 0;
    virtual std::optional<Failure> on_close(AnswerSink& sink) = 0;

    bool done_ = false;
    Usage usage_;

private:
    WholeCharacters characters_;
};

/// An upstream's protocol, from and to the canonical form. Stateless. Readers need not mind
/// empty answers, missing usage and the finish reason of tool calls: who calls them does.
class UpstreamDialect {
public:
    virtual ~UpstreamDialect() = default;

    /// The upstream body. `request` says whether a stream is wanted. What has no place in this
    /// protocol is named in Call::changes; what can't be left out is `unsupported`.
    virtual base::Result<Call> call(const Chat& chat, const ChatRequest& request,
                                    const Upstream& upstream) const = 0;
    /// Reads a 2xx body; one that is no answer is a Failure.
    virtual std::expected<Completion, Failure> answer(const ChatRequest& request,
                                                      const Upstream& upstream, const Reply& reply,
                                                      base::WallTime now) const = 0;
    /// `request` and `upstream` outlive the reader.
    virtual std::unique_ptr<AnswerReader> stream(const ChatRequest& request,
                                                 const Upstream& upstream,
                                                 base::WallTime now) const = 0;
};

const UpstreamDialect& upstream_dialect(Protocol protocol);

}  // namespace llm
