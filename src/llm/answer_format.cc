#include "llm/answer_format.h"

#include "llm/json.h"

#include <fmt/format.h>

#include <algorithm>

namespace llm {
namespace {

using std::string_view;

constexpr std::size_t kLongestName = 64;

/// What every provider takes as a tool's name.
std::string tool_name(std::string name) {
    auto unfit = [](char c) { return !std::isalnum(static_cast<unsigned char>(c)) && c != '_'; };
    std::ranges::replace_if(name, unfit, '_');
    if (name.size() > kLongestName) name.resize(kLongestName);
    if (!name.empty() && std::isdigit(static_cast<unsigned char>(name.front()))) name.front() = '_';
    return name.empty() ? "answer" : name;
}

/// `response_format` as it stands in the request's protocol, or translated into OpenAI's.
string_view format_of(const ChatRequest& request) {
    if (request.endpoint == Endpoint::chat || request.endpoint == Endpoint::completion) {
        const Member* member = request.find("response_format");
        return member ? request.text(member->value) : string_view();
    }
    const base::Result<Chat>& chat = canonical(request);
    const Extra* format = chat ? chat->find("response_format") : nullptr;
    return format ? string_view(format->json) : string_view();
}

/// A completion may begin with its prompt, which is no part of what is bound.
bool echoes(const ChatRequest& request) {
    const Member* echo = request.find("echo");
    return request.endpoint == Endpoint::completion && echo && request.text(echo->value) == "true";
}

/// Where the client wrote its schema.
string_view schema_member(Endpoint endpoint) {
    switch (endpoint) {
        case Endpoint::responses: return "text.format.schema";
        case Endpoint::messages: return "output_config.format.schema";
        case Endpoint::ollama_chat:
        case Endpoint::ollama_generate: return "format";
        default: return "response_format.json_schema.schema";
    }
}

}  // namespace

std::optional<std::string> AnswerFormat::violation(const Completion& answer) const {
    if (!checked || answer.finish_reason == "length" || answer.finish_reason == "content_filter")
        return std::nullopt;
    for (const Part& part : answer.parts)
        if (part.kind == Part::Kind::refusal || part.kind == Part::Kind::tool_call)
            return std::nullopt;
    const std::string text = answer.text();
    if (compiled) return compiled->violation(text);
    json::Cursor whole(text);
    const bool object = whole.peek() == '{' && whole.skip() && whole.complete();
    return object ? std::nullopt : std::optional<std::string>("the answer is not one JSON object");
}

base::Result<void> read_format(ChatRequest& request, bool check) {
    string_view written = format_of(request);
    const std::string type = json::text(json::member(written, "type")).value_or("");
    if (type != "json_schema" && type != "json_object") return {};
    AnswerFormat format{.name = "answer", .checked = check && !echoes(request)};
    if (type == "json_schema") {
        string_view inner = json::member(written, "json_schema");
        format.name = tool_name(json::text(json::member(inner, "name")).value_or(""));
        format.description = json::text(json::member(inner, "description")).value_or("");
        string_view schema = json::member(inner, "schema");
        if (schema.empty()) schema = json::member(written, "schema");
        if (!json::blank(schema)) format.schema = schema;
    }
    if (check && !format.schema.empty()) {
        auto compiled = JsonSchema::compile(format.schema);
        if (!compiled)
            return base::fail(base::ErrorKind::bad_input,
                              fmt::format("`{}` can't be used: {}", schema_member(request.endpoint),
                                          compiled.error().detail));
        format.compiled = *std::move(compiled);
    }
    request.format = std::make_shared<const AnswerFormat>(std::move(format));
    return {};
}

}  // namespace llm
