#pragma once

#include "base/provider.h"
#include "llm/chat.h"
#include "llm/chat_request.h"
#include "llm/http.h"
#include "llm/outcome.h"
#include "llm/usage.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// A wire protocol.
enum class Protocol { openai, anthropic, cohere, ollama };

/// Whom a request goes to, as far as bytes depend on it. Views that outlive the call.
struct Upstream {
    base::Provider provider = base::Provider::openai_compatible;
    std::string_view alias;  ///< shown to the client as `model`
    std::string_view model;  ///< the upstream's own id
    bool reasoning = false;
    bool stated = true;        ///< its configuration says what it can do
    bool json_schema = true;   ///< it can bind its answer to a JSON schema itself
    bool tools = true;         ///< it can call tools
    bool agent_box = false;    ///< it tells failures as text, in pieces too
    bool others_left = false;  ///< should it fail, somebody else can be asked
    std::optional<std::uint64_t> max_output_tokens{};
    std::span<const Extra> defaults{};   ///< sent unless the client set the member
    std::span<const Extra> overrides{};  ///< sent always (LiteLLM extra_body)
    std::span<const std::string>
        drop{};  ///< members removed always (additional_drop_params, learned)
    std::span<const std::string>
        allow{};  ///< members that no rule about a provider removes (allowed_openai_params)
};

/// One upstream call, without host and key.
struct Call {
    std::string path;  ///< below the base: "/chat/completions"
    std::string body;
    std::vector<std::string>
        changes;  ///< "removed logprobs", "renamed seed to random_seed": for the decision record
    /// Headers of the client's request that go along, where it has them.
    std::vector<std::string_view> client_headers{};
};

/// A whole answer in the client's protocol.
struct Answer {
    std::string body;
    Usage usage;
};

/// Turns one upstream stream into the client's. One per attempt.
class StreamDecoder {
public:
    virtual ~StreamDecoder() = default;

    /// Takes upstream bytes and appends what the client may see, event by event;
    /// never holds a whole event back. A returned failure ends the attempt.
    virtual std::optional<Failure> feed(std::string_view bytes, std::string& out) = 0;

    /// The upstream closed in order. Appends the end (`[DONE]`, missing usage
    /// chunk), or says why the stream was not whole (no finish reason, empty).
    virtual std::optional<Failure> finish(std::string& out) = 0;

    /// The answer broke after content: appends the client's error frame and the proper end.
    /// `error` is OpenAI's error body.
    virtual void broken(std::string_view error, std::string& out) = 0;

    /// The first content (text, reasoning, refusal, tool call) has been decoded:
    /// no fallback any more. A role-only delta is not content.
    bool committed() const { return committed_; }
    /// The stream's proper end was seen and written; the rest is not needed.
    /// Then committed() is true as well, even if the answer has no content.
    bool done() const { return done_; }
    /// Content has been decoded, but is kept back until the whole is known to be right.
    bool held() const { return held_; }
    const Usage& usage() const { return usage_; }
    /// The answer that the finished stream amounts to, of protocols whose last event states it;
    /// else empty.
    virtual std::string_view whole() const { return {}; }

protected:
    bool committed_ = false;
    bool done_ = false;
    bool held_ = false;
    Usage usage_;
};

/// One client's protocol facing one upstream's. Stateless: one object serves all threads.
/// Where both are the same, bytes pass; else the canonical form stands between.
class Dialect {
public:
    virtual ~Dialect() = default;

    /// `unsupported` for what the upstream's protocol has no word for, so that the chain
    /// moves on.
    virtual base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const = 0;

    /// Reads a 2xx body. A body that is no answer is a Failure: unparsable,
    /// error inside, empty completion.
    virtual std::expected<Answer, Failure> answer(const ChatRequest& request,
                                                  const Upstream& upstream, const Reply& reply,
                                                  base::WallTime now) const = 0;

    /// `upstream` and `request` outlive the decoder. `now` turns dates in errors
    /// of the stream into time left, and is the answer's `created` where none is sent.
    virtual std::unique_ptr<StreamDecoder> stream(const ChatRequest& request,
                                                  const Upstream& upstream,
                                                  base::WallTime now) const = 0;
};

constexpr Protocol protocol_of(base::Provider provider) {
    switch (provider) {
        case base::Provider::anthropic: return Protocol::anthropic;
        case base::Provider::cohere: return Protocol::cohere;
        case base::Provider::ollama: return Protocol::ollama;
        default: return Protocol::openai;
    }
}

/// How a request that came in at `endpoint` is put to `upstream`.
const Dialect& dialect(Endpoint endpoint, const Upstream& upstream);

/// The same, with what the request asks beyond its protocol: an answer bound to a format.
const Dialect& dialect(const ChatRequest& request, const Upstream& upstream);

}  // namespace llm
