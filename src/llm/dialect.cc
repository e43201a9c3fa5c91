#include "llm/dialect.h"

#include "llm/anthropic_client.h"
#include "llm/anthropic_passthrough.h"
#include "llm/anthropic_upstream.h"
#include "llm/cohere.h"
#include "llm/format_dialect.h"
#include "llm/ollama.h"
#include "llm/ollama_client.h"
#include "llm/ollama_passthrough.h"
#include "llm/openai.h"
#include "llm/openai_client.h"
#include "llm/openai_rules.h"
#include "llm/openai_upstream.h"
#include "llm/responses_client.h"
#include "llm/responses_passthrough.h"
#include "llm/translate.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

/// One of every client's protocol with every upstream's: the objects hold no state.
template <class Client, class To>
const Dialect& translating(std::string_view note) {
    static const Client client;
    static const To upstream;
    static const Translating both(client, upstream, std::string(note));
    return both;
}

/// Every client's protocol put to an upstream that speaks another one.
template <class To>
const Dialect& from_every_client(Endpoint endpoint, std::string_view note) {
    switch (endpoint) {
        case Endpoint::completion:
            return translating<CompletionClient, To>("carried the prompt as a chat");
        case Endpoint::responses: return translating<ResponsesClient, To>(note);
        case Endpoint::messages: return translating<AnthropicClient, To>(note);
        case Endpoint::ollama_chat: return translating<OllamaChatClient, To>(note);
        case Endpoint::ollama_generate:
            return translating<OllamaGenerateClient, To>("carried the prompt as a chat");
        default: return translating<OpenAiClient, To>(note);
    }
}

const Dialect& to_anthropic(Endpoint endpoint) {
    static const AnthropicPassthrough same;
    if (endpoint == Endpoint::messages) return same;
    return from_every_client<AnthropicUpstream>(endpoint, "translated to Anthropic's Messages");
}

const Dialect& to_openai(Endpoint endpoint, const Upstream& upstream) {
    static const OpenAiDialect same;
    static const ResponsesPassthrough responses;
    const bool passes = endpoint == Endpoint::chat ||
                        (endpoint == Endpoint::completion && openai::rules(upstream).completions);
    if (passes) return same;
    if (endpoint == Endpoint::responses && upstream.provider == base::Provider::openai)
        return responses;
    return from_every_client<OpenAiUpstream>(endpoint, "translated to chat completions");
}

const Dialect& to_ollama(Endpoint endpoint) {
    static const OllamaPassthrough same;
    if (endpoint == Endpoint::ollama_chat || endpoint == Endpoint::ollama_generate) return same;
    return from_every_client<OllamaUpstream>(endpoint, "translated to Ollama's chat");
}

}  // namespace

const Dialect& dialect(Endpoint endpoint, const Upstream& upstream) {
    switch (protocol_of(upstream.provider)) {
        case Protocol::openai: return to_openai(endpoint, upstream);
        case Protocol::anthropic: return to_anthropic(endpoint);
        case Protocol::cohere:
            return from_every_client<CohereUpstream>(endpoint, "translated to Cohere's chat");
        case Protocol::ollama: return to_ollama(endpoint);
    }
    return to_openai(endpoint, upstream);
}

const Dialect& plain_dialect(const ChatRequest& request, const Upstream& upstream) {
    const bool carried = request.uses_functions && request.endpoint == Endpoint::chat &&
                         protocol_of(upstream.provider) == Protocol::openai &&
                         !openai::rules(upstream).functions &&
                         std::ranges::find(upstream.allow, "functions") == upstream.allow.end();
    if (!carried) return dialect(request.endpoint, upstream);
    return from_every_client<OpenAiUpstream>(request.endpoint, "carried functions as tools");
}

const Dialect& dialect(const ChatRequest& request, const Upstream& upstream) {
    static const FormatDialect formatted;
    // A reply of OpenAI's own /responses is no chat that could be judged: its owner binds it.
    const bool owners =
        request.endpoint == Endpoint::responses && upstream.provider == base::Provider::openai;
    return request.format && !owners ? formatted : plain_dialect(request, upstream);
}

const ClientDialect& client_dialect(Endpoint endpoint) {
    static const OpenAiClient chat;
    static const CompletionClient completion;
    static const ResponsesClient responses;
    static const AnthropicClient messages;
    static const OllamaChatClient ollama_chat;
    static const OllamaGenerateClient ollama_generate;
    switch (endpoint) {
        case Endpoint::completion: return completion;
        case Endpoint::responses: return responses;
        case Endpoint::messages: return messages;
        case Endpoint::ollama_chat: return ollama_chat;
        case Endpoint::ollama_generate: return ollama_generate;
        default: return chat;
    }
}

const UpstreamDialect& upstream_dialect(Protocol protocol) {
    static const OpenAiUpstream openai;
    static const AnthropicUpstream anthropic;
    static const CohereUpstream cohere;
    static const OllamaUpstream ollama;
    switch (protocol) {
        case Protocol::anthropic: return anthropic;
        case Protocol::cohere: return cohere;
        case Protocol::ollama: return ollama;
        case Protocol::openai: break;
    }
    return openai;
}

std::string ClientDialect::comment(std::string_view, std::string_view text, base::WallTime) const {
    return fmt::format(": {}\n\n", text);
}

}  // namespace llm
