#include "llm/dialect.h"

#include "llm/anthropic.h"
#include "llm/cohere.h"
#include "llm/completion.h"
#include "llm/ollama.h"
#include "llm/openai.h"

namespace llm {
namespace {

template <class Chat>
const Dialect& serving(Protocol protocol) {
    static const Chat chat;
    static const WithCompletions all(chat, protocol);
    return all;
}

}  // namespace

const Dialect& dialect(Protocol protocol) {
    switch (protocol) {
        case Protocol::openai: return serving<OpenAiDialect>(protocol);
        case Protocol::anthropic: return serving<AnthropicDialect>(protocol);
        case Protocol::cohere: return serving<CohereDialect>(protocol);
        case Protocol::ollama: return serving<OllamaDialect>(protocol);
    }
    return serving<OpenAiDialect>(Protocol::openai);
}

}  // namespace llm
