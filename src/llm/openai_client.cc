#include "llm/openai_client.h"

#include "llm/chunks.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai_functions.h"
#include "llm/text_document.h"
#include "llm/translate.h"
#include "llm/usage_json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::unexpected<base::Error> wrong(std::string text) {
    return base::fail(base::ErrorKind::bad_input, std::move(text));
}

constexpr string_view kDataScheme = "data:";

void read_file(string_view file, Part& part) {
    part.name = text_of(file, "filename");
    part.id = text_of(file, "file_id");
    part.url = text_of(file, "file_url");
    if (std::string data = text_of(file, "file_data"); !data.empty()) set_source(part, data);
    const bool bare =
        !part.url.empty() && !part.url.starts_with("http") && !part.url.starts_with(kDataScheme);
    if (bare) {  // base64 alone
        part.data = std::exchange(part.url, {});
        part.media_type = "application/pdf";
    }
    read_as_text(part);
}

base::Result<Part> read_part(string_view object, string_view where) {
    Part part;
    std::string type = text_of(object, "type");
    if (type == "text" || type == "input_text" || type == "output_text" || type.empty()) {
        part.text = text_of(object, "text");
        keep_rest(object, {"type", "text"}, part.extras);
    } else if (type == "refusal") {
        part.kind = Part::Kind::refusal;
        part.text = text_of(object, "refusal");
    } else if (type == "image_url" || type == "input_image") {
        part.kind = Part::Kind::image;
        string_view image = json::member(object, "image_url");
        set_source(part, json::text(image).value_or(text_of(image, "url")));
        if (image.starts_with('{')) keep_rest(image, {"url"}, part.extras);
        keep_rest(object, {"type", "image_url"}, part.extras);
        part.id = text_of(object, "file_id");
    } else if (type == "input_audio") {
        part.kind = Part::Kind::audio;
        string_view audio = json::member(object, "input_audio");
        part.data = json::text(audio).value_or(text_of(audio, "data"));
        std::string format = text_of(audio, "format");
        part.media_type = "audio/" + (format.empty() ? std::string("wav") : format);
    } else if (type == "file" || type == "input_file") {
        part.kind = Part::Kind::document;
        string_view file = json::member(object, "file");
        read_file(file.starts_with('{') ? file : object, part);
        keep_rest(object, {"type", "file", "filename", "file_id", "file_data", "file_url"},
                  part.extras);
    } else if (type == "thinking") {
        part.kind = Part::Kind::thinking;
        part.text = text_of(object, "thinking");
        part.signature = text_of(object, "signature");
    } else {
        return base::fail(base::ErrorKind::unsupported,
                          fmt::format("{}.{}: not carried to another protocol", where, type));
    }
    if (part.url.starts_with(kDataScheme))
        return base::fail(base::ErrorKind::unsupported,
                          fmt::format("{}.{}: a data: URL that is not base64 reaches no other "
                                      "protocol; send data:<type>;base64,<data>",
                                      where, type));
    return part;
}

void read_thinking(string_view message, std::vector<Part>& parts) {
    string_view blocks = json::member(message, "thinking_blocks");
    json::Cursor in(blocks);
    if (blocks.starts_with('[') && in.enter_array())
        while (in.next_element()) {
            string_view block = in.value();
            if (text_of(block, "type") == "redacted_thinking")
                parts.push_back(
                    {.kind = Part::Kind::redacted_thinking, .data = text_of(block, "data")});
            else
                parts.push_back({.kind = Part::Kind::thinking,
                                 .text = text_of(block, "thinking"),
                                 .signature = text_of(block, "signature")});
        }
    if (!parts.empty()) return;
    std::string text = text_of(message, "reasoning_content");
    if (text.empty()) text = text_of(message, "reasoning");
    if (!text.empty()) parts.push_back({.kind = Part::Kind::thinking, .text = std::move(text)});
}

void read_calls(string_view calls, std::vector<Part>& parts) {
    json::Cursor in(calls);
    if (!calls.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) {
        string_view call = in.value();
        parts.push_back(functions::read_call(json::member(call, "function"), text_of(call, "id")));
    }
}

/// Reads the messages one by one; the results of tools that follow each other, and the
/// user's words after them, become one user's message.
class Messages {
public:
    base::Result<void> read(string_view message);
    std::vector<Message> take() { return std::move(messages_); }

private:
    base::Result<void> tool_result(string_view message);
    /// An id of the last call in the first form, which has none: results follow their call.
    std::string function_id() const { return fmt::format("call_function_{}", functions_); }

    std::vector<Message> messages_;
    bool in_results_ = false;
    std::size_t functions_ = 0;  ///< calls in the first form so far
};

base::Result<void> Messages::tool_result(string_view message) {
    auto content = read_openai_content(json::member(message, "content"));
    if (!content) return std::unexpected(content.error());
    if (!std::exchange(in_results_, true)) messages_.push_back({.role = Message::Role::user});
    const bool function = text_of(message, "role") == "function";
    messages_.back().parts.push_back(
        {.kind = Part::Kind::tool_result,
         .name = text_of(message, "name"),
         .id = function ? function_id() : text_of(message, "tool_call_id"),
         .parts = *std::move(content)});
    return {};
}

base::Result<void> Messages::read(string_view message) {
    std::string role = text_of(message, "role");
    if (role == "tool" || role == "function") return tool_result(message);
    bool after_results = std::exchange(in_results_, false);
    Message out{.name = text_of(message, "name")};
    if (role == "system" || role == "developer")
        out.role = Message::Role::system;
    else if (role == "assistant")
        out.role = Message::Role::assistant;
    else if (role != "user")
        return wrong(fmt::format(
            "messages[].role `{}` is none of system, developer, user, assistant, tool", role));
    if (out.role == Message::Role::assistant) read_thinking(message, out.parts);
    auto content = read_openai_content(json::member(message, "content"));
    if (!content) return std::unexpected(content.error());
    std::ranges::move(*content, std::back_inserter(out.parts));
    if (std::string refusal = text_of(message, "refusal"); !refusal.empty())
        out.parts.push_back({.kind = Part::Kind::refusal, .text = std::move(refusal)});
    read_calls(json::member(message, "tool_calls"), out.parts);
    if (string_view call = json::member(message, "function_call"); !json::blank(call)) {
        ++functions_;
        out.parts.push_back(functions::read_call(call, function_id()));
    }
    keep_rest(message,
              {"role", "content", "name", "refusal", "tool_calls", "reasoning_content", "reasoning",
               "reasoning_details", "thinking_blocks", "function_call"},
              out.extras);
    std::erase_if(out.extras, [](const Extra& extra) {  // as answers are sent back
        return (extra.key == "annotations" || extra.key == "audio") && json::blank(extra.json);
    });
    if (after_results && out.role == Message::Role::user) {
        std::ranges::move(out.parts, std::back_inserter(messages_.back().parts));
        return {};
    }
    messages_.push_back(std::move(out));
    return {};
}

constexpr auto kNotParameters = std::to_array<string_view>(
    {"model", "messages", "prompt", "tools", "functions", "stream", "stream_options", "n"});

base::Result<void> read_parameters(const ChatRequest& request, Chat& chat) {
    for (const Member& member : request.members) {
        string_view value = request.text(member.value);
        if (value == "null" ||
            std::ranges::find(kNotParameters, member.key) != kNotParameters.end())
            continue;
        if (member.key == "audio" && !json::blank(value))
            return base::fail(base::ErrorKind::unsupported,
                              fmt::format("{}: not carried to another protocol", member.key));
        if (member.key == "modalities" && value.find("\"audio\"") != value.npos)
            return base::fail(base::ErrorKind::unsupported,
                              "modalities: audio is not carried to another protocol");
        if (member.key == "function_call")
            chat.set("tool_choice", functions::tool_choice(value));
        else
            chat.set(member.key, std::string(value));
    }
    if (request.choices > 1)
        return base::fail(base::ErrorKind::unsupported, "n: this target gives one choice only");
    return {};
}

}  // namespace

void set_source(Part& part, std::string url) {
    string_view view = url;
    std::size_t comma = view.find(',');
    const bool data = view.starts_with(kDataScheme) && comma != view.npos &&
                      view.substr(0, comma).ends_with(";base64");
    if (!data) {
        part.url = std::move(url);
        return;
    }
    string_view type = view.substr(kDataScheme.size(), comma - kDataScheme.size());
    if (std::size_t end = type.find(';'); end != type.npos) type = type.substr(0, end);
    part.media_type = type;
    part.data = view.substr(comma + 1);
}

std::string source_url(const Part& part) {
    if (!part.url.empty()) return part.url;
    return fmt::format("data:{};base64,{}", part.media_type, part.data);
}

base::Result<std::vector<Part>> read_openai_content(string_view content, string_view where) {
    std::vector<Part> parts;
    if (std::optional<std::string> text = json::text(content)) {
        if (!text->empty()) parts.push_back({.text = *std::move(text)});
        return parts;
    }
    json::Cursor in(content);
    if (!content.starts_with('[') || !in.enter_array()) return parts;
    while (in.next_element()) {
        string_view element = in.value();
        if (std::optional<std::string> text = json::text(element)) {
            parts.push_back({.text = *std::move(text)});
            continue;
        }
        base::Result<Part> part = read_part(element, where);
        if (!part) return std::unexpected(part.error());
        parts.push_back(*std::move(part));
    }
    return parts;
}

base::Result<std::vector<Tool>> read_openai_tools(string_view tools) {
    std::vector<Tool> out;
    json::Cursor in(tools);
    if (!tools.starts_with('[') || !in.enter_array()) return out;
    while (in.next_element()) {
        string_view one = in.value();
        string_view function = json::member(one, "function");
        std::string type = text_of(one, "type");
        if (type != "function" && !type.empty()) {
            out.push_back({.name = type, .native = std::string(one)});
            continue;
        }
        Tool tool{.name = text_of(function, "name"),
                  .description = text_of(function, "description")};
        if (string_view schema = json::member(function, "parameters"); schema.starts_with('{'))
            tool.schema = schema;
        tool.strict = json::boolean(json::member(function, "strict"));
        keep_rest(one, {"type", "function"}, tool.extras);
        std::vector<Extra> inner;
        keep_rest(function, {"name", "description", "parameters", "strict"}, inner);
        for (Extra& extra : inner)
            tool.extras.push_back({"function." + extra.key, std::move(extra.json)});
        if (tool.name.empty()) return wrong("`tools[].function.name` is missing");
        out.push_back(std::move(tool));
    }
    return out;
}

std::string openai_message_members(const std::vector<Part>& parts) {
    std::string text, refusal, reasoning, blocks, calls;
    bool has_text = false;
    for (const Part& part : parts) {
        auto block = [&](std::string json) { blocks += (blocks.empty() ? "" : ",") + json; };
        switch (part.kind) {
            case Part::Kind::refusal: refusal += part.text; break;
            case Part::Kind::thinking:
                reasoning += part.text;
                if (!part.signature.empty())
                    block(fmt::format(R"({{"type":"thinking","thinking":{},"signature":{}}})",
                                      json::quote(part.text), json::quote(part.signature)));
                break;
            case Part::Kind::redacted_thinking:
                block(fmt::format(R"({{"type":"redacted_thinking","data":{}}})",
                                  json::quote(part.data)));
                break;
            case Part::Kind::tool_call:
                calls += fmt::format(
                    R"({}{{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}})",
                    calls.empty() ? "" : ",", json::quote(part.id), json::quote(part.name),
                    json::quote(part.json.empty() ? "{}" : part.json));
                break;
            default: text += part.text; has_text = true;
        }
    }
    std::string out = R"("role":"assistant","content":)";
    out += has_text || calls.empty() ? json::quote(text) : "null";
    if (!refusal.empty()) out += ",\"refusal\":" + json::quote(refusal);
    if (!reasoning.empty()) out += ",\"reasoning_content\":" + json::quote(reasoning);
    if (!blocks.empty()) out += ",\"thinking_blocks\":[" + blocks + ']';
    if (!calls.empty()) out += ",\"tool_calls\":[" + calls + ']';
    return out;
}

base::Result<Chat> OpenAiClient::read(const ChatRequest& request) const {
    Chat chat;
    Messages messages;
    if (const Member* member = request.find("messages")) {
        json::Cursor in(request.text(member->value));
        in.enter_array();
        while (in.next_element())
            if (auto read = messages.read(in.value()); !read) return std::unexpected(read.error());
    }
    chat.messages = messages.take();
    if (const Member* member = request.find("tools")) {
        auto tools = read_openai_tools(request.text(member->value));
        if (!tools) return std::unexpected(tools.error());
        chat.tools = *std::move(tools);
    }
    if (auto read = read_parameters(request, chat); !read) return std::unexpected(read.error());
    if (const Member* member = request.find("functions")) {
        auto tools = functions::read_tools(request.text(member->value));
        if (!tools) return std::unexpected(tools.error());
        std::ranges::move(*tools, std::back_inserter(chat.tools));
    }
    if (request.wants_function_call() && !chat.tools.empty())
        chat.set("parallel_tool_calls", "false");
    return chat;
}

std::string OpenAiClient::answer(const ChatRequest& request, string_view alias,
                                 const Completion& answer) const {
    std::string message = openai_message_members(answer.parts);
    const bool refused = std::ranges::any_of(answer.parts, [](const Part& part) {
        return part.kind == Part::Kind::refusal && !part.text.empty();
    });
    if (!refused) message += ",\"refusal\":null";
    std::string tier;
    for (const Extra& extra : answer.extras)
        (extra.key == "service_tier" ? tier : message) +=
            fmt::format(",{}:{}", json::quote(extra.key), extra.json);
    message = '{' + message + '}';
    string_view reason = answer.finish_reason;
    if (request.wants_function_call()) {
        message = functions::as_function_call(message, answer.parts);
        reason = functions::finish_reason(reason);
    }
    return fmt::format(
        R"({{"id":{},"object":"chat.completion","created":{},"model":{},"choices":[{{"index":0,"message":{},"logprobs":null,"finish_reason":{}}}],"usage":{}{}}})",
        json::quote(answer.id), answer.created, json::quote(alias), message, json::quote(reason),
        usage_json(answer.usage), tier);
}

std::string OpenAiClient::error(int, string_view error) const { return std::string(error); }

std::string OpenAiClient::error_frames(int, string_view error) const {
    return fmt::format("data: {}\n\ndata: [DONE]\n\n", error);
}

namespace {

/// The one prompt string: `"…"` or `["…"]`.
base::Result<std::string> one_prompt(string_view prompt) {
    string_view text = prompt;
    if (prompt.starts_with('[')) {
        json::Cursor in(prompt);
        in.enter_array();
        text = in.next_element() ? in.value() : string_view();
        if (in.next_element()) text = {};
    }
    if (std::optional<std::string> one = json::text(text)) return *std::move(one);
    return base::fail(base::ErrorKind::unsupported,
                      "prompt: this target takes one string, no tokens and no list of several");
}

}  // namespace

base::Result<Chat> CompletionClient::read(const ChatRequest& request) const {
    Chat chat;
    const Member* prompt = request.find("prompt");
    auto text = one_prompt(prompt ? request.text(prompt->value) : string_view());
    if (!text) return std::unexpected(text.error());
    chat.messages.push_back({.parts = {{.text = *std::move(text)}}});
    if (auto read = read_parameters(request, chat); !read) return std::unexpected(read.error());
    for (string_view key : {"suffix", "echo"})
        if (const Extra* extra = chat.find(key);
            extra && !json::blank(extra->json) && extra->json != "false")
            return base::fail(base::ErrorKind::unsupported,
                              fmt::format("{}: this target completes by chat", key));
    std::erase_if(chat.parameters, [](const Extra& extra) {
        return extra.key == "suffix" || extra.key == "echo" || extra.key == "logprobs" ||
               extra.key == "best_of";
    });
    return chat;
}

std::string CompletionClient::answer(const ChatRequest&, string_view alias,
                                     const Completion& answer) const {
    return fmt::format(
        R"({{"id":{},"object":"text_completion","created":{},"model":{},"choices":[{{"index":0,"text":{},"logprobs":null,"finish_reason":{}}}],"usage":{}}})",
        json::quote(answer.id), answer.created, json::quote(alias), json::quote(answer.text()),
        json::quote(answer.finish_reason), usage_json(answer.usage));
}

}  // namespace llm
