#pragma once

#include "llm/answer_format.h"
#include "llm/upstream_dialect.h"

namespace llm {

/// Whether `upstream` can't bind its answer to `request.format` itself.
bool emulates_format(const ChatRequest& request, const Upstream& upstream);

/// An upstream that can't bind its answer to a format, made to: by one tool that it must call,
/// whose arguments are the answer, where it has tools, the client brings none of its own and
/// the schema is one of an object; else by an instruction. What it says is known only when it
/// is whole, so a stream comes out in one piece. Stateless.
class FormatEmulation : public UpstreamDialect {
public:
    explicit FormatEmulation(const UpstreamDialect& upstream) : upstream_(upstream) {}

    base::Result<Call> call(const Chat& chat, const ChatRequest& request,
                            const Upstream& upstream) const override;
    std::expected<Completion, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                              const Reply& reply,
                                              base::WallTime now) const override;
    std::unique_ptr<AnswerReader> stream(const ChatRequest& request, const Upstream& upstream,
                                         base::WallTime now) const override;

private:
    const UpstreamDialect& upstream_;
};

/// What an emulating upstream said to `request`, as the client asked for it: the tool's arguments,
/// or the text without the fence of a code block.
Completion as_asked(Completion answer, const ChatRequest& request);

}  // namespace llm
