#pragma once

#include "llm/client_dialect.h"

#include <vector>

namespace llm {

/// OpenAI's Responses as a client speaks them.
class ResponsesClient : public ClientDialect {
public:
    base::Result<Chat> read(const ChatRequest& request) const override;
    std::string answer(const ChatRequest& request, std::string_view alias,
                       const Completion& answer) const override;
    std::unique_ptr<AnswerWriter> writer(const ChatRequest& request, std::string_view alias,
                                         base::WallTime now) const override;
    std::string error(int status, std::string_view error) const override;
    std::string error_frames(int status, std::string_view error) const override;
};

/// Reads `input`: a text or a list of items. What only OpenAI can resolve (a stored item, the
/// record of a tool that it ran) goes into `native` of `chat`, what has no place in a chat into
/// its `left_out`.
base::Result<std::vector<Message>> read_responses_input(std::string_view input, Chat& chat);

}  // namespace llm
