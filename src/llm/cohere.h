#pragma once

#include "llm/upstream_dialect.h"

#include <string>
#include <string_view>
#include <unordered_map>

namespace llm {

/// Cohere's v2 chat.
class CohereUpstream : public UpstreamDialect {
public:
    base::Result<Call> call(const Chat& chat, const ChatRequest& request,
                            const Upstream& upstream) const override;
    std::expected<Completion, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                              const Reply& reply,
                                              base::WallTime now) const override;
    std::unique_ptr<AnswerReader> stream(const ChatRequest& request, const Upstream& upstream,
                                         base::WallTime now) const override;
};

namespace cohere {

/// Names of tools as Cohere takes them: letters, digits and `_`, no digit first. One chat
/// always gives the same names, so that the answer's can be mapped back; tools of one name
/// share theirs.
class ToolNames {
public:
    explicit ToolNames(const Chat& chat);

    /// The name to send for the client's.
    std::string sent(std::string_view name) const;
    /// The client's name for one that was answered.
    std::string clients(std::string_view name) const;

private:
    std::unordered_map<std::string, std::string> sent_;     ///< by the client's
    std::unordered_map<std::string, std::string> clients_;  ///< by ours
};

}  // namespace cohere
}  // namespace llm
