#pragma once

#include "llm/upstream_dialect.h"

namespace llm {

/// Anthropic's Messages as an upstream for clients that speak another protocol
/// (provider-wire sections 7 and 12).
class AnthropicUpstream : public UpstreamDialect {
public:
    base::Result<Call> call(const Chat& chat, const ChatRequest& request,
                            const Upstream& upstream) const override;
    std::expected<Completion, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                              const Reply& reply,
                                              base::WallTime now) const override;
    std::unique_ptr<AnswerReader> stream(const ChatRequest& request, const Upstream& upstream,
                                         base::WallTime now) const override;
};

namespace anthropic {

/// The fields of Anthropic's `usage` that are there; a stream states them in parts. Cached input
/// stands beside `input_tokens` there, and inside `prompt` in OpenAI's sense.
class Tokens {
public:
    void read(std::string_view usage);
    Usage usage() const;

private:
    std::uint64_t input_ = 0, written_ = 0, cached_ = 0, output_ = 0, thinking_ = 0;
};

/// Anthropic's stop reason in OpenAI's words.
std::string_view finish_reason_of(std::string_view stop_reason);

/// Why a whole body that came with status 200 is no answer.
std::optional<Failure> refused(const Upstream& upstream, std::string_view body, base::WallTime now);

}  // namespace anthropic

}  // namespace llm
