#pragma once

#include "llm/dialect.h"

namespace llm {

/// Ollama's native /api/chat in plain form, because only there num_ctx and
/// keep_alive act: text chat whole and as NDJSON stream, thinking, usage, errors.
class OllamaDialect : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
