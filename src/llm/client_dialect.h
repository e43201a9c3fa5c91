#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "llm/chat.h"
#include "llm/chat_request.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// Writes an answer in the client's protocol as a stream. One per client request: it lives
/// through a change of targets in mid-answer. What is written waits until drain().
class AnswerWriter : public AnswerSink {
public:
    /// Something to show that the connection lives, where the protocol has such a thing.
    void ping() override = 0;
    /// An error after content: the protocol's error frame, and its proper end. `error` is
    /// OpenAI's error body: {"error":{"message","type","param","code",…}}.
    virtual void broken(std::string_view error) = 0;
    /// The answer that a finished stream amounts to, of protocols whose last event states it;
    /// else empty.
    virtual std::string_view whole() const { return {}; }

    /// Appends what has been written since the last call.
    void drain(std::string& out) {
        out += out_;
        out_.clear();
    }

protected:
    std::string out_;
};

/// A client's protocol, into and from the canonical form. Stateless.
class ClientDialect {
public:
    virtual ~ClientDialect() = default;

    /// Reads the members of the request, which is known to be one JSON object with a model.
    /// bad_input names the member, what is wrong with it and what to send instead.
    virtual base::Result<Chat> read(const ChatRequest& request) const = 0;

    /// A whole answer. `alias` is the model that the client sees.
    virtual std::string answer(const ChatRequest& request, std::string_view alias,
                               const Completion& answer) const = 0;

    /// `request` outlives the writer. `now` is the answer's time where its provider says none.
    virtual std::unique_ptr<AnswerWriter> writer(const ChatRequest& request, std::string_view alias,
                                                 base::WallTime now) const = 0;

    /// OpenAI's error body in this protocol's shape.
    virtual std::string error(int status, std::string_view error) const = 0;
    /// The last frames of a stream that had begun before anybody could serve it.
    virtual std::string error_frames(int status, std::string_view error) const = 0;

    /// What is said where the client asks for nothing: Ollama's load models that way, and send
    /// them away.
    struct Nothing {
        std::string answer;
        bool unload = false;
    };
    virtual std::optional<Nothing> nothing_asked(const ChatRequest&, base::WallTime) const {
        return std::nullopt;
    }

    virtual std::string_view stream_type() const { return "text/event-stream"; }
    /// A frame that says nothing but that the connection lives; `text` is for people.
    virtual std::string comment(std::string_view text) const;
};

const ClientDialect& client_dialect(Endpoint endpoint);

}  // namespace llm
