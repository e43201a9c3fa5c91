#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Which OpenAI endpoint the client called.
enum class Endpoint { chat, completion };

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

/// A client's chat (or legacy completion) request, parsed once. Everything later
/// is done with the spans: the body is never parsed or built again for targets
/// that speak the same protocol.
struct ChatRequest {
    Endpoint endpoint = Endpoint::chat;
    std::string body;  ///< as the client sent it
    std::vector<Member> members;
    std::string model;
    bool stream = false;
    bool include_usage = false;               ///< stream_options.include_usage
    bool wants_tools = false;                 ///< `tools` (or `functions`) is a non-empty array
    bool wants_vision = false;                ///< an image part in any message
    bool wants_json_schema = false;           ///< response_format.type == json_schema
    std::optional<std::uint64_t> max_tokens;  ///< max_completion_tokens, else max_tokens
    std::uint64_t prompt_bytes = 0;           ///< bytes of messages (or prompt)

    std::string_view text(Span span) const {
        return std::string_view(body).substr(span.begin, span.end - span.begin);
    }
    const Member* find(std::string_view key) const {
        for (const Member& member : members)
            if (member.key == key) return &member;
        return nullptr;
    }
};

/// Fails with bad_input and a text that names the member, its type and the cure:
/// not JSON, not an object, `model` missing or not a string, `messages` missing,
/// empty or not an array of objects, `stream` not a bool, a key given twice for
/// members that decide (`model`, `stream`, `messages`).
base::Result<ChatRequest> parse_chat(std::string body, Endpoint endpoint);

}  // namespace llm
