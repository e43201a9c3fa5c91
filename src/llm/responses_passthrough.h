#pragma once

#include "llm/dialect.h"

namespace llm {

/// OpenAI's Responses to OpenAI itself: bytes pass, `model` and what the configuration changes
/// are spliced, and what freeway or another provider has made of earlier turns is taken out.
class ResponsesPassthrough : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

/// Why a whole Response of OpenAI's is no answer: failed, or without output. nullopt: it is one.
std::optional<Failure> judge_response(std::string_view response, base::WallTime now);

}  // namespace llm
