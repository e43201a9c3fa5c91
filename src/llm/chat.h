#pragma once

#include "llm/usage.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The canonical form: what every protocol is read into and written from when client and
/// upstream speak different ones. It has a place for everything that at least two of them
/// can say. Texts are plain UTF-8, decoded; `json` members are JSON text as it stands.
namespace llm {

/// A member of a JSON object: key and value as JSON text.
struct Extra {
    std::string key;
    std::string json;
};

/// One piece of a message. Which members count depends on `kind`.
struct Part {
    enum class Kind {
        text,
        refusal,
        thinking,
        redacted_thinking,
        image,
        audio,
        document,
        tool_call,    ///< in an assistant's message
        tool_result,  ///< in a user's message
    };
    Kind kind = Kind::text;
    std::string text{};           ///< text, refusal, thinking; a document that is plain text
    std::string data{};           ///< image, audio, document: base64. redacted_thinking: as it came
    std::string url{};            ///< image, document: http(s) address, instead of `data`
    std::string media_type{};     ///< of `data`: "image/png", "audio/wav", "application/pdf"
    std::string name{};           ///< tool_call: the tool; document: its title or file name
    std::string id{};             ///< tool_call, tool_result: the call; image, document: a file id
    std::string json{};           ///< tool_call: its arguments, an object unless the model erred
    std::string signature{};      ///< thinking: what its provider checks it by
    bool error = false;           ///< tool_result: the tool failed
    std::vector<Part> parts{};    ///< tool_result: text, image, document
    std::vector<Extra> extras{};  ///< what has no place here: cache_control, citations, detail
};

struct Message {
    enum class Role { system, user, assistant };
    Role role = Role::user;
    std::vector<Part> parts{};
    std::string name{};  ///< OpenAI's `name` of a participant
    std::vector<Extra> extras{};
};

struct Tool {
    std::string name{};
    std::string description{};  ///< empty: none
    std::string schema{};       ///< JSON Schema of its arguments; empty: none
    std::optional<bool> strict{};
    std::vector<Extra> extras{};
    /// A tool that the protocol's owner runs itself (web search), as the client's JSON.
    /// Nobody else can: its name is the `type`, and a foreign target refuses it.
    std::string native{};
};

/// A conversation and what is asked of it. Results of tools stand in the user's message
/// that follows the calls, as tool_result parts before any text.
struct Chat {
    std::vector<Message> messages{};
    std::vector<Tool> tools{};
    /// All other members of the request but model and stream, in OpenAI chat's names and
    /// shapes (max_completion_tokens, temperature, top_p, top_k, stop, seed, tool_choice,
    /// parallel_tool_calls, response_format, reasoning_effort, user, metadata, …), and
    /// `thinking` in Anthropic's shape where a client gave a budget. Read by Parameters.
    std::vector<Extra> parameters{};
    /// What only the protocol's owner can do, by name (a stored item, a hosted prompt): a target
    /// of another protocol refuses it.
    std::vector<std::string> native{};
    /// Members that mean nothing to a target of another protocol and are left out for it.
    std::vector<std::string> left_out{};

    const Extra* find(std::string_view key) const {
        for (const Extra& extra : parameters)
            if (extra.key == key) return &extra;
        return nullptr;
    }
    void set(std::string_view key, std::string json);
};

/// A whole answer: one choice.
struct Completion {
    std::string id{};             ///< as its provider gave it; empty: none
    std::uint64_t created = 0;    ///< unix seconds; 0: not said
    std::vector<Part> parts{};    ///< text, refusal, thinking, tool_call, in order
    std::string finish_reason{};  ///< stop, length, tool_calls, content_filter
    std::string stop_sequence{};  ///< which of the client's stop texts ended it, where said
    Usage usage{};
    std::vector<Extra> extras{};  ///< citations and the like, service_tier

    std::string text() const;  ///< all text parts together
    std::string thinking() const;
    std::size_t content_bytes() const;
};

/// Takes an answer piece by piece. Pieces of text and arguments may be cut anywhere, but
/// never inside a character. Calls of tools are numbered from 0 in the order of their begin;
/// fragments of several may come interleaved.
class AnswerSink {
public:
    virtual ~AnswerSink() = default;
    /// At most once, before everything else. `created`: unix seconds, 0: not said.
    virtual void start(std::string_view id, std::uint64_t created) = 0;
    virtual void text(std::string_view piece) = 0;
    virtual void refusal(std::string_view piece) = 0;
    virtual void thinking(std::string_view piece) = 0;
    /// Of the thinking that came just before: it is complete.
    virtual void signature(std::string_view signature) = 0;
    virtual void redacted_thinking(std::string_view data) = 0;
    virtual void tool_call(std::string_view id, std::string_view name) = 0;
    virtual void arguments(std::size_t call, std::string_view fragment) = 0;
    /// Something more about the answer, such as a citation, or its service_tier.
    virtual void extra(std::string_view key, std::string_view json) = 0;
    /// Nothing but that the upstream lives.
    virtual void ping() {}
    /// The proper end, once, when nothing else will come.
    virtual void finish(std::string_view reason, std::string_view stop_sequence,
                        const Usage& usage) = 0;
};

/// Gives a whole answer to `sink` as a stream would, its texts in pieces of about `piece` bytes.
void replay(const Completion& answer, AnswerSink& sink, std::size_t piece = std::string_view::npos);

/// Puts a stream together again.
class Collector : public AnswerSink {
public:
    void start(std::string_view id, std::uint64_t created) override;
    void text(std::string_view piece) override;
    void refusal(std::string_view piece) override;
    void thinking(std::string_view piece) override;
    void signature(std::string_view signature) override;
    void redacted_thinking(std::string_view data) override;
    void tool_call(std::string_view id, std::string_view name) override;
    void arguments(std::size_t call, std::string_view fragment) override;
    void extra(std::string_view key, std::string_view json) override;
    void finish(std::string_view reason, std::string_view stop_sequence,
                const Usage& usage) override;

    const Completion& answer() const { return answer_; }
    bool finished() const { return finished_; }

private:
    Part& last(Part::Kind kind);

    Completion answer_;
    std::vector<std::size_t> calls_;  ///< where each call stands in the parts
    bool finished_ = false;
};

}  // namespace llm
