#pragma once

#include "base/result.h"
#include "llm/chat.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

struct AnswerFormat;

/// Which endpoint the client called, hence the protocol it speaks.
enum class Endpoint {
    chat,             ///< OpenAI /chat/completions
    completion,       ///< OpenAI /completions
    responses,        ///< OpenAI /responses
    messages,         ///< Anthropic /v1/messages
    ollama_chat,      ///< Ollama /api/chat
    ollama_generate,  ///< Ollama /api/generate
};

/// A range of bytes in ChatRequest::body.
struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// One top-level member of the client's JSON object.
struct Member {
    std::string key;  ///< unescaped
    Span whole;       ///< from the key's opening quote to the value's last byte
    Span value;
};

/// A client's chat request in any protocol, parsed once. For targets that speak the same
/// protocol everything later is done with the spans: the body is never parsed or built again.
struct ChatRequest {
    Endpoint endpoint = Endpoint::chat;
    std::string body;  ///< as the client sent it
    std::vector<Member> members;
    std::string model;
    bool stream = false;
    bool include_usage = false;               ///< stream_options.include_usage
    bool uses_functions = false;              ///< tools in OpenAI's first form, `functions`
    bool wants_tools = false;                 ///< `tools` (or `functions`) is a non-empty array
    bool wants_vision = false;                ///< an image part in any message
    bool wants_audio = false;                 ///< an audio part in any message
    bool wants_documents = false;             ///< a file that is not plain text in any message
    bool wants_json_schema = false;           ///< response_format.type == json_schema
    std::uint64_t choices = 1;                ///< n
    std::optional<std::uint64_t> max_tokens;  ///< max_completion_tokens, else max_tokens
    std::uint64_t prompt_bytes = 0;           ///< bytes of messages (or prompt)
    std::string answer_id;  ///< what ids of the answer are made of; empty: of its provider's id
    std::string continues;  ///< the response whose conversation has been put before `input`
    /// What the answer is bound to, where it is: see read_format().
    std::shared_ptr<const AnswerFormat> format{};
    /// The canonical form: of every protocol but OpenAI's chat and completions from the start,
    /// of these once a target that speaks another one is asked. See canonical().
    mutable std::shared_ptr<const base::Result<Chat>> chat{};

    std::string_view text(Span span) const {
        return std::string_view(body).substr(span.begin, span.end - span.begin);
    }
    /// The answer's call of a tool is to come in OpenAI's first form.
    bool wants_function_call() const { return uses_functions && !find("tools"); }
    const Member* find(std::string_view key) const {
        for (const Member& member : members)
            if (member.key == key) return &member;
        return nullptr;
    }
};

/// Fails with bad_input and a text that names the member, its type and the cure:
/// not JSON, not an object, `model` missing or not a string, `messages` missing,
/// empty or not an array of objects, more than kMaxMembers members, `stream` not a bool, a key
/// given twice for members that decide (`model`, `stream`, `messages`).
base::Result<ChatRequest> parse_chat(std::string body, Endpoint endpoint);

/// The request in the canonical form, made at most once. A failure says what can't be carried.
const base::Result<Chat>& canonical(const ChatRequest& request);

}  // namespace llm
