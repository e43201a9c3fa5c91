#pragma once

#include "llm/dialect.h"

namespace llm {

/// Anthropic's Messages in plain form: text chat whole and streamed, system prompt,
/// thinking, usage, finish reasons, errors (provider-wire sections 7 and 12).
class AnthropicDialect : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
