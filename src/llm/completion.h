#pragma once

#include "llm/dialect.h"

namespace llm {

/// Serves the legacy /completions endpoint over a dialect. Providers that have it
/// get the request as it is; for the others it is carried as a chat of one user
/// message, and the answer is turned into a text_completion.
class WithCompletions : public Dialect {
public:
    WithCompletions(const Dialect& chat, Protocol protocol) : chat_(chat), protocol_(protocol) {}

    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;

private:
    bool carried(const ChatRequest& request, const Upstream& upstream) const;

    const Dialect& chat_;
    Protocol protocol_;
};

}  // namespace llm
