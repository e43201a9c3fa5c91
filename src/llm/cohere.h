#pragma once

#include "llm/dialect.h"

namespace llm {

/// Cohere's v2 chat in plain form: text chat whole and streamed, thinking, usage,
/// finish reasons, errors (provider-wire sections 6 and 12).
class CohereDialect : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
