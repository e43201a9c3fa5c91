#include "llm/responses_object.h"

#include "llm/json.h"
#include "llm/splice.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// A client's tool with the members that a Response states of every function.
std::string tool_json(string_view tool) {
    std::string missing;
    if (json::member(tool, "type") == "\"function\"")
        for (string_view key : {"parameters", "strict"})
            if (json::member(tool, key).empty())
                missing += fmt::format(R"("{}":{},)", key, key == "strict" ? "false" : "null");
    return '{' + missing + std::string(tool.substr(1));
}

std::string tools_json(string_view tools) {
    std::string out;
    json::Cursor in(tools);
    if (tools.starts_with('[') && in.enter_array())
        while (in.next_element()) out += (out.empty() ? "" : ",") + tool_json(in.value());
    return '[' + out + ']';
}

std::string text_json(string_view text) {
    constexpr string_view kFormat = R"("format":{"type":"text"})";
    if (json::blank(text) || !text.starts_with('{')) return fmt::format("{{{}}}", kFormat);
    if (!json::member(text, "format").empty()) return std::string(text);
    return fmt::format("{{{},{}", kFormat, text.substr(1));
}

struct Echoed {
    string_view key;
    string_view unset;  ///< what stands there where the client is silent; empty: nothing
};

constexpr Echoed kEchoed[] = {
    {"background", "false"},
    {"instructions", "null"},
    {"max_output_tokens", "null"},
    {"metadata", "{}"},
    {"parallel_tool_calls", "true"},
    {"prompt_cache_key", "null"},
    {"reasoning", R"({"effort":null,"summary":null})"},
    {"safety_identifier", "null"},
    {"service_tier", R"("default")"},
    {"store", "true"},
    {"temperature", "1"},
    {"tool_choice", R"("auto")"},
    {"top_logprobs", "0"},
    {"top_p", "1"},
    {"truncation", R"("disabled")"},
    {"user", ""},
};

}  // namespace

ResponseObject::ResponseObject(const ChatRequest& request, string_view alias) {
    auto value = [&request](string_view key) {
        const Member* member = request.find(key);
        const string_view json = member ? request.text(member->value) : string_view();
        return json == "null" ? string_view() : json;
    };
    echo_ = "\"model\":" + json::quote(alias);
    for (const auto& [key, unset] : kEchoed) {
        const string_view said = value(key).empty() ? unset : value(key);
        if (!said.empty()) echo_ += fmt::format(",\"{}\":{}", key, said);
    }
    const string_view previous = value("previous_response_id");
    echo_ += ",\"previous_response_id\":";
    if (!request.continues.empty())
        echo_ += json::quote(request.continues);
    else
        echo_ += previous.empty() ? "null" : previous;
    echo_ += ",\"text\":" + text_json(value("text"));
    echo_ += ",\"tools\":" + tools_json(value("tools"));
    for (char& c : echo_)
        if (c == '\n' || c == '\r') c = ' ';  // white space between tokens, in an event's one line
}

std::string ResponseObject::json(string_view id, std::uint64_t created,
                                 const ResponseEnd& end) const {
    std::string out = fmt::format(R"({{"id":{},"object":"response","created_at":{},"status":"{}",)",
                                  json::quote(id), created, end.status);
    if (end.completed_at) out += fmt::format(R"("completed_at":{},)", end.completed_at);
    out += fmt::format(R"("error":{},)", end.error.empty() ? "null" : end.error);
    out += end.reason.empty()
               ? R"("incomplete_details":null,)"
               : fmt::format(R"("incomplete_details":{{"reason":"{}"}},)", end.reason);
    out += fmt::format(R"("output":[{}],)", end.output);
    if (end.usage) out += fmt::format(R"("usage":{},)", responses_usage_json(*end.usage));
    return out + echo_ + '}';
}

void ResponseObject::set_tier(string_view tier) {
    const std::string object = '{' + echo_ + '}';
    Splice splice(object);
    splice.replace(json::member(object, "service_tier"), std::string(tier));
    echo_ = splice.apply();
    echo_ = echo_.substr(1, echo_.size() - 2);
}

std::string response_error(string_view error) {
    const string_view inner = json::member(error, "error");
    const string_view message = json::member(inner, "message");
    const bool slow = json::member(inner, "code") == "\"rate_limit_exceeded\"";
    return fmt::format(R"({{"code":"{}","message":{}}})",
                       slow ? "rate_limit_exceeded" : "server_error",
                       message.starts_with('"') ? message : "\"\"");
}

std::string response_event(string_view type, std::uint64_t sequence, string_view members) {
    return fmt::format("event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{},{}}}\n\n", type,
                       type, sequence, members);
}

std::string responses_usage_json(const Usage& usage) {
    return fmt::format(
        R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{},"cache_write_tokens":0}},"output_tokens":{},"output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}{}}})",
        usage.prompt, usage.cached, usage.completion, usage.reasoning,
        usage.prompt + usage.completion, usage.estimated ? R"(,"freeway_estimated":true)" : "");
}

Usage read_responses_usage(string_view text) {
    Usage usage;
    auto count = [](string_view value) { return json::count(value).value_or(0); };
    usage.prompt = count(json::member(text, "input_tokens"));
    usage.completion = count(json::member(text, "output_tokens"));
    usage.cached = count(json::member(text, "input_tokens_details", "cached_tokens"));
    usage.cache_written = count(json::member(text, "input_tokens_details", "cache_write_tokens"));
    usage.reasoning = count(json::member(text, "output_tokens_details", "reasoning_tokens"));
    usage.known = usage.prompt > 0 || usage.completion > 0;
    return usage;
}

}  // namespace llm
