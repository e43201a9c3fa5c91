#pragma once

#include "llm/parameters.h"
#include "llm/upstream_dialect.h"
#include "llm/usage.h"

#include <string>
#include <string_view>

namespace llm {

/// Ollama's native /api/chat: only there num_ctx and keep_alive act.
class OllamaUpstream : public UpstreamDialect {
public:
    base::Result<Call> call(const Chat& chat, const ChatRequest& request,
                            const Upstream& upstream) const override;
    std::expected<Completion, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                              const Reply& reply,
                                              base::WallTime now) const override;
    std::unique_ptr<AnswerReader> stream(const ChatRequest& request, const Upstream& upstream,
                                         base::WallTime now) const override;
};

namespace ollama {

/// Configuration's own members: those that are no member of the body go into its `options`; an
/// `options` object is merged, never put in the place of what is there.
void add_native(const Extra& extra, ObjectWriter& body, ObjectWriter& options);

/// Options that Ollama loads a model with: another value than the loaded one's makes it load the
/// model anew. They are the alias's own, the same on every call.
bool is_load_option(std::string_view key);

/// The client's `options` without those that it has no say in; "removed options.num_ctx" goes to
/// `changes`.
std::string client_options(std::string_view options, std::vector<std::string>& changes);

/// Marks what the configuration alone decides: how the model is loaded and how long it stays.
void keep_own_word(Parameters& parameters);

/// `text` where it is a JSON object, else an empty one: Ollama takes and gives arguments of
/// tools as objects.
std::string object_or_empty(std::string_view text);

/// The counts of a last line or whole answer. A prompt that was still in memory is not counted
/// there: it is estimated.
Usage read_counts(std::string_view line, const ChatRequest& request);
/// How long the model was loaded first.
std::uint64_t load_ms(std::string_view line);

/// An `error` inside a 200, in a body or as a line of a stream.
Failure inner_error(const Upstream& upstream, std::string_view line, base::WallTime now);

/// Splits a stream into lines, each one JSON object.
class LineReader {
public:
    void feed(std::string_view bytes) { buffer_ += bytes; }
    /// The next whole line without white space around it, never empty; false: none is whole yet.
    /// Valid until the next call.
    bool next(std::string_view& line);
    /// At EOF: the last line may lack its end.
    bool last(std::string_view& line);
    /// A line passed the limit: the stream can't be trusted any more.
    bool overflow() const;

private:
    std::string buffer_;
    std::size_t begin_ = 0;
};

}  // namespace ollama
}  // namespace llm
