#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// An upstream's error in one shape, whatever shape it came in: wrapped
/// (`{"error":{…}}`), flat (Cerebras, Mistral, Cohere), a string (HuggingFace,
/// Ollama), FastAPI's `detail`, an HTML page, plain text.
struct Complaint {
    int status = 0;  ///< HTTP status, or what the body says where it came inside a 200
    std::string message;
    std::string type;
    std::string code;  ///< as text, whether it was a number or a string
    std::string param;
    std::string raw;            ///< OpenRouter: what the provider behind it said
    std::string provider_name;  ///< OpenRouter: that provider
    std::string limit_source;   ///< OpenRouter
    std::string limit;          ///< X-RateLimit-Limit inside the body
    std::string reset;          ///< X-RateLimit-Reset inside the body
    std::string retry_after;    ///< seconds inside the body
    bool moderated = false;     ///< OpenRouter: metadata.reasons / flagged_input
    bool html = false;
    std::string text;  ///< message, raw, type, code together in lower case, for searching

    bool says(std::string_view lower_case) const { return text.find(lower_case) != text.npos; }
};

Complaint read_complaint(int status, std::string_view body);

}  // namespace llm
