#pragma once

#include "llm/dialect.h"

namespace llm {

/// Anthropic's Messages on both sides: bytes pass through, so that caches and signatures hold.
/// Only `model` is spliced, and what the target is known to reject: thinking that it did not
/// sign, a way of thinking that its model does not know, more tokens than it can write.
class AnthropicPassthrough : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
