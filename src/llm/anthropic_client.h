#pragma once

#include "llm/client_dialect.h"

namespace llm {

/// Anthropic's Messages as a client speaks them (provider-wire sections 7 and 12).
class AnthropicClient : public ClientDialect {
public:
    base::Result<Chat> read(const ChatRequest& request) const override;
    std::string answer(const ChatRequest& request, std::string_view alias,
                       const Completion& answer) const override;
    std::unique_ptr<AnswerWriter> writer(const ChatRequest& request, std::string_view alias,
                                         base::WallTime now) const override;
    std::string error(int status, std::string_view error) const override;
    std::string error_frames(int status, std::string_view error) const override;
};

namespace anthropic {

/// "msg_…" out of whatever id the provider gave; one of ours where it gave none.
std::string message_id(std::string_view id, base::WallTime now);
/// Anthropic's stop reason for OpenAI's finish reason.
std::string_view stop_reason_of(std::string_view finish_reason, std::string_view stop_sequence);
/// Anthropic's `usage`, every key of it.
std::string usage_object(const Usage& usage);
/// The end of a stream that broke: its error event. `error` is OpenAI's error body.
std::string broken_frames(std::string_view error);

}  // namespace anthropic

}  // namespace llm
