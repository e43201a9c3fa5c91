#pragma once

#include "llm/client_dialect.h"

namespace llm {

/// OpenAI's chat completions as a client speaks them.
class OpenAiClient : public ClientDialect {
public:
    base::Result<Chat> read(const ChatRequest& request) const override;
    std::string answer(const ChatRequest& request, std::string_view alias,
                       const Completion& answer) const override;
    std::unique_ptr<AnswerWriter> writer(const ChatRequest& request, std::string_view alias,
                                         base::WallTime now) const override;
    std::string error(int status, std::string_view error) const override;
    std::string error_frames(int status, std::string_view error) const override;
};

/// The legacy completions: a prompt is a chat of one user message.
class CompletionClient : public OpenAiClient {
public:
    base::Result<Chat> read(const ChatRequest& request) const override;
    std::string answer(const ChatRequest& request, std::string_view alias,
                       const Completion& answer) const override;
    std::unique_ptr<AnswerWriter> writer(const ChatRequest& request, std::string_view alias,
                                         base::WallTime now) const override;
};

/// Splits "data:image/png;base64,AAAA" into the part's media type and data, or takes the
/// address as it is (a data: URL that is not base64 as well).
void set_source(Part& part, std::string url);
/// The other way round: its address, or its data as a data: URL.
std::string source_url(const Part& part);

/// A message's content in OpenAI's shape: a string or a list of parts. A type of part that is
/// not known is an error that says `where` it stands.
base::Result<std::vector<Part>> read_openai_content(
    std::string_view content, std::string_view where = "messages[].content[]");

/// Tools in OpenAI's chat shape.
base::Result<std::vector<Tool>> read_openai_tools(std::string_view tools);

/// The texts, thinking and calls of an answer as the members of an assistant's message,
/// without braces.
std::string openai_message_members(const std::vector<Part>& parts);

/// An id where the upstream gave none.
std::string chat_id(std::string_view id, base::WallTime now);

}  // namespace llm
