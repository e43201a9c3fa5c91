#include "llm/dialect.h"

#include "llm/anthropic.h"
#include "llm/cohere.h"
#include "llm/completion.h"
#include "llm/ollama.h"
#include "llm/openai.h"
#include "llm/openai_client.h"
#include "llm/openai_rules.h"
#include "llm/openai_upstream.h"
#include "llm/translate.h"

#include <fmt/format.h>

namespace llm {
namespace {

template <class Chat>
const Dialect& serving(Protocol protocol) {
    static const Chat chat;
    static const WithCompletions all(chat, protocol);
    return all;
}

/// One of every client's protocol with every upstream's: the objects hold no state.
template <class Client, class To>
const Dialect& translating(std::string_view note) {
    static const Client client;
    static const To upstream;
    static const Translating both(client, upstream, std::string(note));
    return both;
}

const Dialect& to_openai(Endpoint endpoint, const Upstream& upstream) {
    static const OpenAiDialect same;
    switch (endpoint) {
        case Endpoint::chat: return same;
        case Endpoint::completion:
            if (openai::rules(upstream).completions) return same;
            return translating<CompletionClient, OpenAiUpstream>("carried the prompt as a chat");
        default: return translating<OpenAiClient, OpenAiUpstream>("translated");
    }
}

template <class To>
const Dialect& from_every_client(Endpoint endpoint, std::string_view note) {
    if (endpoint == Endpoint::completion)
        return translating<CompletionClient, To>("carried the prompt as a chat");
    return translating<OpenAiClient, To>(note);
}

}  // namespace

const Dialect& dialect(Endpoint endpoint, const Upstream& upstream) {
    switch (protocol_of(upstream.provider)) {
        case Protocol::openai: return to_openai(endpoint, upstream);
        case Protocol::anthropic: return serving<AnthropicDialect>(Protocol::anthropic);
        case Protocol::cohere:
            return from_every_client<CohereUpstream>(endpoint, "translated to Cohere's chat");
        case Protocol::ollama:
            return from_every_client<OllamaUpstream>(endpoint, "translated to Ollama's chat");
    }
    return to_openai(endpoint, upstream);
}

const ClientDialect& client_dialect(Endpoint endpoint) {
    static const OpenAiClient chat;
    static const CompletionClient completion;
    return endpoint == Endpoint::completion ? static_cast<const ClientDialect&>(completion) : chat;
}

const UpstreamDialect& upstream_dialect(Protocol) {
    static const OpenAiUpstream openai;
    return openai;
}

std::string ClientDialect::comment(std::string_view text) const {
    return fmt::format(": {}\n\n", text);
}

}  // namespace llm
