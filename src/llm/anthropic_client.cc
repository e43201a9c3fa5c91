#include "llm/anthropic_client.h"

#include "llm/anthropic_rules.h"
#include "llm/anthropic_writer.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/translate.h"

#include <fmt/format.h>

namespace llm {
namespace {

using namespace anthropic;
using std::string_view;

/// Anthropic's type for an answer with this status.
string_view error_type(int status) {
    switch (status) {
        case 401: return "authentication_error";
        case 402: return "billing_error";
        case 403: return "permission_error";
        case 404: return "not_found_error";
        case 413: return "request_too_large";
        case 429: return "rate_limit_error";
        case 504: return "timeout_error";
        case 503:
        case 529: return "overloaded_error";
        default: return status >= 400 && status < 500 ? "invalid_request_error" : "api_error";
    }
}

/// The status that an error inside a stream would have had.
int status_of(string_view error) {
    const std::string type = text_of(json::member(error, "error"), "type");
    const std::string code = text_of(json::member(error, "error"), "code");
    if (type == "rate_limit_error") return 429;
    if (type == "invalid_request_error") return 400;
    if (type == "authentication_error") return 401;
    if (type == "insufficient_quota") return 429;
    if (code == "upstream_busy") return 503;
    if (code.find("timeout") != code.npos || code == "deadline_exceeded") return 504;
    return 500;
}

std::string block_json(const Part& part) {
    switch (part.kind) {
        case Part::Kind::thinking:
            return fmt::format(R"({{"type":"thinking","thinking":{},"signature":{}}})",
                               json::quote(part.text), json::quote(part.signature));
        case Part::Kind::redacted_thinking:
            return fmt::format(R"({{"type":"redacted_thinking","data":{}}})",
                               json::quote(part.data));
        case Part::Kind::tool_call:
            return fmt::format(R"({{"type":"tool_use","id":{},"name":{},"input":{}}})",
                               json::quote(tool_id(part.id)), json::quote(part.name),
                               input_object(part.json));
        default: return fmt::format(R"({{"type":"text","text":{}}})", json::quote(part.text));
    }
}

}  // namespace

namespace anthropic {

std::string message_id(string_view id, base::WallTime now) {
    if (id.starts_with("msg_")) return std::string(id);
    if (id.empty()) {
        const std::string made = made_up_id(std::to_string(now.time_since_epoch().count()));
        return "msg_" + made.substr(made.find('-') + 1);
    }
    return "msg_" + tool_id(id);
}

string_view stop_reason_of(string_view finish_reason, string_view stop_sequence) {
    if (finish_reason == "length") return "max_tokens";
    if (finish_reason == "tool_calls") return "tool_use";
    if (finish_reason == "content_filter") return "refusal";
    return stop_sequence.empty() ? "end_turn" : "stop_sequence";
}

std::string usage_object(const Usage& usage) {
    std::string out = fmt::format(
        R"({{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":{},"output_tokens":{})",
        usage.prompt - std::min(usage.prompt, usage.cached), usage.cached, usage.completion);
    if (usage.reasoning > 0)
        out += fmt::format(R"(,"output_tokens_details":{{"thinking_tokens":{}}})", usage.reasoning);
    if (usage.estimated) out += R"(,"freeway_estimated":true)";
    return out + '}';
}

std::string broken_frames(string_view error) {
    return AnthropicClient().error_frames(status_of(error), error);
}

}  // namespace anthropic

std::string AnthropicClient::answer(const ChatRequest&, string_view alias,
                                    const Completion& answer) const {
    std::string content;
    for (const Part& part : answer.parts)
        content += (content.empty() ? "" : ",") + block_json(part);
    return fmt::format(
        R"({{"id":{},"type":"message","role":"assistant","model":{},"content":[{}],"stop_reason":"{}","stop_sequence":{},"usage":{}}})",
        json::quote(message_id(answer.id, {})), json::quote(alias), content,
        stop_reason_of(answer.finish_reason, answer.stop_sequence),
        answer.stop_sequence.empty() ? "null" : json::quote(answer.stop_sequence),
        usage_object(answer.usage));
}

std::unique_ptr<AnswerWriter> AnthropicClient::writer(const ChatRequest& request, string_view alias,
                                                      base::WallTime now) const {
    return std::make_unique<AnthropicWriter>(request, alias, now);
}

std::string AnthropicClient::error(int status, string_view error) const {
    string_view inner = json::member(error, "error");
    std::string out = fmt::format(R"({{"type":"error","error":{{"type":"{}","message":{})",
                                  error_type(status), json::quote(text_of(inner, "message")));
    for (string_view key : {"code", "param", "retry_after", "attempts"})
        if (string_view value = json::member(inner, key); !json::blank(value))
            out += fmt::format(",\"{}\":{}", key, value);
    return out + "}}";
}

std::string AnthropicClient::error_frames(int status, string_view error) const {
    return fmt::format("event: error\ndata: {}\n\n", this->error(status, error));
}

}  // namespace llm
