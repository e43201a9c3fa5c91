#pragma once

#include "llm/dialect.h"

namespace llm {

/// Ollama's clients facing Ollama: bytes pass both ways. The model is replaced, and what the
/// configuration adds is merged into the body and its `options`.
class OllamaPassthrough : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
