#pragma once

#include "llm/client_dialect.h"

namespace llm {

/// Ollama's /api/chat and /api/generate as its clients speak them. Options that only Ollama has
/// become parameters named `options.NAME`.
class OllamaClient : public ClientDialect {
public:
    enum class Route { chat, generate };
    explicit OllamaClient(Route route) : route_(route) {}

    base::Result<Chat> read(const ChatRequest& request) const override;
    std::string answer(const ChatRequest& request, std::string_view alias,
                       const Completion& answer) const override;
    std::unique_ptr<AnswerWriter> writer(const ChatRequest& request, std::string_view alias,
                                         base::WallTime now) const override;
    std::string error(int status, std::string_view error) const override;
    std::string error_frames(int status, std::string_view error) const override;
    std::string_view stream_type() const override { return "application/x-ndjson"; }
    std::string comment(std::string_view text) const override;
    std::optional<Nothing> nothing_asked(const ChatRequest& request,
                                         base::WallTime now) const override;

private:
    Route route_;
};

/// The same for one route, for who makes it without arguments.
struct OllamaChatClient : OllamaClient {
    OllamaChatClient() : OllamaClient(Route::chat) {}
};
struct OllamaGenerateClient : OllamaClient {
    OllamaGenerateClient() : OllamaClient(Route::generate) {}
};

/// OpenAI's error body in Ollama's shape: {"error":"text"}, with the attempts behind it.
std::string ollama_error(std::string_view error);

}  // namespace llm
