#pragma once

#include "llm/upstream_dialect.h"

namespace llm {

/// OpenAI's chat completions from the canonical form. The body that is written goes
/// through the same rules of its provider as one that a client sent (OpenAiDialect).
class OpenAiUpstream : public UpstreamDialect {
public:
    base::Result<Call> call(const Chat& chat, const ChatRequest& request,
                            const Upstream& upstream) const override;
    std::expected<Completion, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                              const Reply& reply,
                                              base::WallTime now) const override;
    std::unique_ptr<AnswerReader> stream(const ChatRequest& request, const Upstream& upstream,
                                         base::WallTime now) const override;
};

/// A conversation as OpenAI's chat body. `changes` gets what had no place in it. unsupported:
/// files that the upstream can't read.
base::Result<std::string> openai_body(const Chat& chat, const ChatRequest& request,
                                      const Upstream& upstream, std::vector<std::string>& changes);

/// Tools in OpenAI's chat shape.
std::string openai_tools(const std::vector<Tool>& tools, std::vector<std::string>& changes);

/// A whole OpenAI chat answer (its first choice) in the canonical form.
Completion read_openai_answer(std::string_view body);

}  // namespace llm
