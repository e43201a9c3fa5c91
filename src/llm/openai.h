#pragma once

#include "llm/dialect.h"

namespace llm {

/// OpenAI's chat completions, spoken by most providers: bytes pass through, only
/// `model` and what the provider is known to reject are spliced.
class OpenAiDialect : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
