#pragma once

#include "llm/dialect.h"

namespace llm {

/// A request whose answer is bound to a format (ChatRequest::format): natively or emulated, and
/// checked. An answer that violates it is malformed. A stream is held back until it has been
/// checked where somebody else is left to ask (Upstream::others_left) or it is emulated; else
/// it passes live, and a violation shows at its end. Stateless.
class FormatDialect : public Dialect {
public:
    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;
};

}  // namespace llm
