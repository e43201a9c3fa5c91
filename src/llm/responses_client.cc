#include "llm/responses_client.h"

#include "llm/fields.h"
#include "llm/json.h"
#include "llm/responses_writer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// A tool that takes free text is a function of one string here; its grammar is told in words.
Tool custom_tool(string_view tool) {
    Tool out{.name = text_of(tool, "name"), .description = text_of(tool, "description")};
    const string_view format = json::member(tool, "format");
    if (std::string grammar = text_of(format, "definition"); !grammar.empty())
        out.description +=
            fmt::format("{}`input` follows this {} grammar:\n{}",
                        out.description.empty() ? "" : "\n\n", text_of(format, "syntax"), grammar);
    out.schema =
        R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";
    return out;
}

Tool function_tool(string_view tool) {
    Tool out{.name = text_of(tool, "name"), .description = text_of(tool, "description")};
    if (string_view schema = json::member(tool, "parameters"); schema.starts_with('{'))
        out.schema = schema;
    out.strict = json::boolean(json::member(tool, "strict"));
    keep_rest(tool, {"type", "name", "description", "parameters", "strict"}, out.extras);
    return out;
}

base::Result<std::vector<Tool>> read_tools(string_view tools) {
    std::vector<Tool> out;
    json::Cursor in(tools);
    if (!tools.starts_with('[') || !in.enter_array()) return out;
    for (std::size_t index = 0; in.next_element(); ++index) {
        const string_view tool = in.value();
        const std::string type = text_of(tool, "type");
        if (type != "function" && type != "custom") {
            if (type.empty())
                return base::fail(base::ErrorKind::bad_input,
                                  fmt::format("`tools[{}].type` is missing", index));
            out.push_back({.name = type, .native = std::string(tool)});
            continue;
        }
        out.push_back(type == "custom" ? custom_tool(tool) : function_tool(tool));
        if (out.back().name.empty())
            return base::fail(base::ErrorKind::bad_input,
                              fmt::format("`tools[{}].name` is missing; a function stands here "
                                          "as {{\"type\":\"function\",\"name\":…}}",
                                          index));
    }
    return out;
}

std::string named_function(string_view name) {
    return fmt::format(R"({{"type":"function","function":{{"name":{}}}}})", json::quote(name));
}

/// Which tools may be called. Where only some of them may, the others are not offered.
void read_tool_choice(string_view choice, Chat& chat) {
    const std::string type = text_of(choice, "type");
    if (choice.starts_with('"')) {
        chat.set("tool_choice", std::string(choice));
    } else if (type == "function" || type == "custom") {
        chat.set("tool_choice", named_function(text_of(choice, "name")));
    } else if (type == "allowed_tools") {
        const string_view tools = json::member(choice, "tools");
        std::vector<std::string> allowed;
        json::Cursor in(tools);
        if (tools.starts_with('[') && in.enter_array())
            while (in.next_element()) allowed.push_back(text_of(in.value(), "name"));
        std::erase_if(chat.tools, [&](const Tool& tool) {
            return std::ranges::find(allowed, tool.name) == allowed.end();
        });
        const std::string mode = text_of(choice, "mode");
        chat.set("tool_choice", json::quote(mode.empty() ? "auto" : mode));
    } else if (!type.empty()) {
        chat.native.push_back("tool_choice." + type);
    }
}

void read_text(string_view text, Chat& chat) {
    const string_view format = json::member(text, "format");
    const std::string type = text_of(format, "type");
    if (type == "json_object") chat.set("response_format", R"({"type":"json_object"})");
    if (type == "json_schema") {
        std::string schema;
        json::Cursor in(format);
        string_view key;
        in.enter_object();
        while (in.next_member(key)) {
            const string_view value = in.value();
            if (key != "type")
                schema += fmt::format("{}\"{}\":{}", schema.empty() ? "" : ",", key, value);
        }
        chat.set("response_format",
                 fmt::format(R"({{"type":"json_schema","json_schema":{{{}}}}})", schema));
    }
    if (const string_view verbosity = json::member(text, "verbosity"); !json::blank(verbosity))
        chat.set("verbosity", std::string(verbosity));
    leave_rest("text", text, {"format", "verbosity"}, chat.left_out);
}

/// Read elsewhere, or about the answer's keeping and not about the answer.
constexpr auto kElsewhere = std::to_array<string_view>(
    {"model", "input", "instructions", "tools", "stream", "stream_options", "store", "background"});
/// Only OpenAI has what they refer to.
constexpr auto kNative =
    std::to_array<string_view>({"previous_response_id", "conversation", "prompt"});
/// Wishes that a chat does without.
constexpr auto kLeftOut =
    std::to_array<string_view>({"include", "top_logprobs", "truncation", "context_management",
                                "moderation", "prompt_cache_options", "max_tool_calls"});

bool among(auto& list, string_view key) { return std::ranges::find(list, key) != list.end(); }

void read_parameter(string_view key, string_view value, Chat& chat) {
    if (key == "max_output_tokens")
        chat.set("max_completion_tokens", std::string(value));
    else if (key == "text")
        read_text(value, chat);
    else if (key == "tool_choice")
        read_tool_choice(value, chat);
    else if (key == "reasoning") {
        if (const string_view effort = json::member(value, "effort"); !json::blank(effort))
            chat.set("reasoning_effort", std::string(effort));
        leave_rest("reasoning", value, {"effort"}, chat.left_out);
    } else if (among(kNative, key))
        chat.native.emplace_back(key);
    else if (among(kLeftOut, key))
        chat.left_out.emplace_back(key);
    else
        chat.set(key, std::string(value));
}

base::Result<void> read_parameters(const ChatRequest& request, Chat& chat) {
    for (const Member& member : request.members) {
        const string_view value = request.text(member.value);
        if (value == "null") continue;
        if (member.key == "background" && value == "true")
            return base::fail(base::ErrorKind::bad_input,
                              "`background` can't be true here: answers are not worked out in "
                              "the background; leave it out and use `stream`");
        if (member.key == "max_output_tokens" && !json::count(value))
            return base::fail(base::ErrorKind::bad_input,
                              "`max_output_tokens` must be a whole number");
        if (!among(kElsewhere, member.key)) read_parameter(member.key, value, chat);
    }
    return {};
}

}  // namespace

base::Result<Chat> ResponsesClient::read(const ChatRequest& request) const {
    auto value = [&request](string_view key) {
        const Member* member = request.find(key);
        return member ? request.text(member->value) : string_view();
    };
    Chat chat;
    auto messages = read_responses_input(value("input"), chat);
    if (!messages) return std::unexpected(messages.error());
    chat.messages = *std::move(messages);
    const string_view instructions = value("instructions");
    if (std::optional<std::string> text = json::text(instructions)) {
        if (!text->empty())
            chat.messages.insert(chat.messages.begin(), {.role = Message::Role::system,
                                                         .parts = {{.text = *std::move(text)}}});
    } else if (!json::blank(instructions)) {
        return base::fail(base::ErrorKind::bad_input, "`instructions` must be a string");
    }
    auto tools = read_tools(value("tools"));
    if (!tools) return std::unexpected(tools.error());
    chat.tools = *std::move(tools);
    if (auto read = read_parameters(request, chat); !read) return std::unexpected(read.error());
    return chat;
}

std::string ResponsesClient::answer(const ChatRequest& request, string_view alias,
                                    const Completion& answer) const {
    ResponsesWriter writer(request, alias, base::WallTime(std::chrono::seconds(answer.created)));
    replay(answer, writer);
    return std::string(writer.whole());
}

std::unique_ptr<AnswerWriter> ResponsesClient::writer(const ChatRequest& request, string_view alias,
                                                      base::WallTime now) const {
    return std::make_unique<ResponsesWriter>(request, alias, now);
}

std::string ResponsesClient::error(int, string_view error) const { return std::string(error); }

std::string ResponsesClient::error_frames(int, string_view error) const {
    const string_view inner = json::member(error, "error");
    auto member = [inner](string_view key) {
        const string_view value = json::member(inner, key);
        return value.empty() ? string_view("null") : value;
    };
    return fmt::format(
        "event: error\n"
        R"(data: {{"type":"error","code":{},"message":{},"param":{},"sequence_number":0,"error":{}}})"
        "\n\n",
        member("code"), member("message"), member("param"), inner.empty() ? "null" : inner);
}

}  // namespace llm
