// Reads a request in Anthropic's Messages into the canonical form.

#include "llm/anthropic_client.h"
#include "llm/anthropic_rules.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/reasoning_effort.h"
#include "llm/text_document.h"
#include "llm/translate.h"

#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using namespace anthropic;
using std::string_view;

std::unexpected<base::Error> wrong(std::string text) {
    return base::fail(base::ErrorKind::bad_input, std::move(text));
}

/// Where the bytes of an image or a document are; a document may be text.
void read_source(string_view source, Part& part) {
    const std::string type = text_of(source, "type");
    if (type == "base64") {
        part.media_type = text_of(source, "media_type");
        part.data = text_of(source, "data");
        read_as_text(part);
    } else if (type == "url") {
        part.url = text_of(source, "url");
    } else if (type == "file") {
        part.id = text_of(source, "file_id");
    } else if (type == "text") {
        part.media_type = "text/plain";
        part.text = text_of(source, "data");
    } else if (type == "content") {
        string_view content = json::member(source, "content");
        part.media_type = "text/plain";
        part.text = json::text(content).value_or("");
        for_each_element(content, [&part](string_view block) {
            part.text += (part.text.empty() ? "" : "\n") + text_of(block, "text");
        });
    }
}

/// What a tool of Anthropic's own did earlier, in words: another model has no place for it.
std::string in_words(string_view block, string_view type) {
    std::string out = fmt::format("[{}]", type);
    if (std::string name = text_of(block, "name"); !name.empty())
        out += fmt::format(" {} {}", name, json::member(block, "input"));
    for_each_element(json::member(block, "content"), [&out](string_view one) {
        for (string_view key : {"title", "url", "text"})
            if (std::string text = text_of(one, key); !text.empty()) out += '\n' + text;
    });
    return out;
}

base::Result<std::vector<Part>> read_content(string_view content, const std::string& where);

base::Result<void> read_result(string_view block, const std::string& where, Part& part) {
    part.kind = Part::Kind::tool_result;
    part.id = text_of(block, "tool_use_id");
    if (part.id.empty())
        return wrong(fmt::format("`{}.tool_use_id` is missing; name the call it answers", where));
    part.error = json::member(block, "is_error") == "true";
    auto inner = read_content(json::member(block, "content"), where + ".content");
    if (!inner) return std::unexpected(inner.error());
    part.parts = *std::move(inner);
    keep_rest(block, {"type", "tool_use_id", "is_error", "content"}, part.extras);
    return {};
}

base::Result<void> read_call(string_view block, const std::string& where, Part& part) {
    part.kind = Part::Kind::tool_call;
    part.id = text_of(block, "id");
    part.name = text_of(block, "name");
    part.json = json::member(block, "input");
    if (part.id.empty() || part.name.empty() || !part.json.starts_with('{'))
        return wrong(
            fmt::format("`{}` of type tool_use needs `id`, `name` and an object `input`", where));
    keep_rest(block, {"type", "id", "name", "input"}, part.extras);
    return {};
}

base::Result<void> read_media(string_view block, const std::string& where, Part& part) {
    read_source(json::member(block, "source"), part);
    if (part.data.empty() && part.url.empty() && part.id.empty() && part.text.empty())
        return wrong(fmt::format(
            "`{}.source` must be of type base64 (media_type, data), url or file", where));
    part.name = text_of(block, "title");
    keep_rest(block, {"type", "source", "title"}, part.extras);
    return {};
}

base::Result<Part> read_block(string_view block, const std::string& where) {
    Part part;
    base::Result<void> read;
    const std::string type = text_of(block, "type");
    if (type == "text") {
        part.text = text_of(block, "text");
        keep_rest(block, {"type", "text"}, part.extras);
    } else if (type == "image") {
        part.kind = Part::Kind::image;
        read = read_media(block, where, part);
    } else if (type == "document") {
        part.kind = Part::Kind::document;
        read = read_media(block, where, part);
    } else if (type == "tool_use") {
        read = read_call(block, where, part);
    } else if (type == "tool_result") {
        read = read_result(block, where, part);
    } else if (type == "thinking") {
        part.kind = Part::Kind::thinking;
        part.text = text_of(block, "thinking");
        part.signature = text_of(block, "signature");
    } else if (type == "redacted_thinking") {
        part.kind = Part::Kind::redacted_thinking;
        part.data = text_of(block, "data");
    } else if (type.empty()) {
        return wrong(fmt::format("`{}` must be an object with a `type`", where));
    } else {
        part.text = in_words(block, type);
    }
    if (!read) return std::unexpected(read.error());
    return part;
}

/// A string, a list of blocks, or nothing.
base::Result<std::vector<Part>> read_content(string_view content, const std::string& where) {
    std::vector<Part> parts;
    if (content.empty() || content == "null") return parts;
    if (std::optional<std::string> text = json::text(content)) {
        parts.push_back({.text = *std::move(text)});
        return parts;
    }
    if (!content.starts_with('['))
        return wrong(fmt::format("`{}` must be a string or an array of blocks", where));
    json::Cursor in(content);
    in.enter_array();
    while (in.next_element()) {
        auto part = read_block(in.value(), fmt::format("{}[{}]", where, parts.size()));
        if (!part) return std::unexpected(part.error());
        parts.push_back(*std::move(part));
    }
    return parts;
}

base::Result<Message> read_message(string_view object, std::size_t number) {
    Message message;
    const std::string where = fmt::format("messages[{}]", number);
    const std::string role = text_of(object, "role");
    if (role == "assistant")
        message.role = Message::Role::assistant;
    else if (role == "system")
        message.role = Message::Role::system;
    else if (role != "user")
        return wrong(fmt::format("`{}.role` must be user or assistant", where));
    string_view content = json::member(object, "content");
    if (content.empty() || content == "null")
        return wrong(fmt::format("`{}.content` is missing; send a string or blocks", where));
    auto parts = read_content(content, where + ".content");
    if (!parts) return std::unexpected(parts.error());
    message.parts = *std::move(parts);
    to_front(message.parts, [](const Part& part) { return part.kind == Part::Kind::tool_result; });
    keep_rest(object, {"role", "content"}, message.extras);
    return message;
}

base::Result<Tool> read_tool(string_view object, std::size_t number) {
    Tool tool{.name = text_of(object, "name")};
    const std::string type = text_of(object, "type");
    if (!type.empty() && type != "custom") {  // one that Anthropic knows by its type
        tool.name = type;
        tool.native = object;
        return tool;
    }
    if (tool.name.empty()) return wrong(fmt::format("`tools[{}].name` is missing", number));
    tool.description = text_of(object, "description");
    tool.schema = json::member(object, "input_schema");
    if (!tool.schema.starts_with('{'))
        return wrong(
            fmt::format("`tools[{}].input_schema` must be a JSON Schema of type object", number));
    tool.strict = json::boolean(json::member(object, "strict"));
    keep_rest(object, {"type", "name", "description", "input_schema", "strict"}, tool.extras);
    return tool;
}

/// Members of the body, and what becomes of each.
class Reader {
public:
    explicit Reader(const ChatRequest& request) : request_(request) {}

    base::Result<Chat> read();

private:
    string_view value(string_view key) const {
        const Member* member = request_.find(key);
        return member ? request_.text(member->value) : string_view();
    }
    base::Result<void> system();
    base::Result<void> messages();
    base::Result<void> tools();
    base::Result<void> max_tokens();
    void parameter(string_view key, string_view value);
    void tool_choice(string_view choice);
    void output_config(string_view config);
    void format(string_view format);
    void thinking(string_view thinking);
    void user(string_view metadata);

    const ChatRequest& request_;
    Chat chat_;
};

base::Result<void> Reader::system() {
    auto parts = read_content(value("system"), "system");
    if (!parts) return std::unexpected(parts.error());
    if (!parts->empty())
        chat_.messages.push_back({.role = Message::Role::system, .parts = *std::move(parts)});
    return {};
}

base::Result<void> Reader::messages() {
    string_view list = value("messages");
    json::Cursor in(list);
    std::size_t number = 0;
    if (!list.starts_with('[') || !in.enter_array())
        return wrong("`messages` must be an array of messages with `role` and `content`");
    for (; in.next_element(); ++number) {
        auto message = read_message(in.value(), number);
        if (!message) return std::unexpected(message.error());
        chat_.messages.push_back(*std::move(message));
    }
    if (number == 0) return wrong("`messages` is empty; it needs at least one message");
    return {};
}

base::Result<void> Reader::tools() {
    string_view list = value("tools");
    json::Cursor in(list);
    if (list.starts_with('[') && in.enter_array())
        while (in.next_element()) {
            auto tool = read_tool(in.value(), chat_.tools.size());
            if (!tool) return std::unexpected(tool.error());
            chat_.tools.push_back(*std::move(tool));
        }
    if (string_view servers = value("mcp_servers"); !json::blank(servers))
        chat_.tools.push_back({.name = "mcp_servers", .native = std::string(servers)});
    return {};
}

base::Result<void> Reader::max_tokens() {
    string_view most = value("max_tokens");
    if (most.empty())
        return wrong("`max_tokens` is missing; say how many tokens the answer may have at most");
    if (std::optional<std::uint64_t> count = json::count(most); !count || *count == 0)
        return wrong("`max_tokens` must be a whole number of at least 1");
    chat_.set("max_tokens", std::string(most));
    return {};
}

void Reader::tool_choice(string_view choice) {
    const std::string type = text_of(choice, "type");
    if (type == "any")
        chat_.set("tool_choice", "\"required\"");
    else if (type == "tool")
        chat_.set("tool_choice", fmt::format(R"({{"type":"function","function":{{"name":{}}}}})",
                                             json::quote(text_of(choice, "name"))));
    else if (type == "auto" || type == "none")
        chat_.set("tool_choice", json::quote(type));
    if (json::member(choice, "disable_parallel_tool_use") == "true")
        chat_.set("parallel_tool_calls", "false");
}

void Reader::format(string_view format) {
    string_view schema = json::member(format, "schema");
    if (text_of(format, "type") != "json_schema" || schema.empty()) return;
    chat_.set(
        "response_format",
        fmt::format(
            R"({{"type":"json_schema","json_schema":{{"name":"answer","schema":{},"strict":true}}}})",
            schema));
}

/// Other protocols know three efforts.
void Reader::output_config(string_view config) {
    format(json::member(config, "format"));
    leave_rest("output_config", config, {"format", "effort"}, chat_.left_out);
    std::string effort = text_of(config, "effort");
    if (effort == "xhigh" || effort == "max") effort = "high";
    if (!effort.empty()) chat_.set("reasoning_effort", json::quote(effort));
}

/// Kept as it is, and as an effort for those who know no budget. One that the client states
/// (output_config.effort) stands.
void Reader::thinking(string_view thinking) {
    chat_.set("thinking", std::string(thinking));
    leave_rest("thinking", thinking, {"type", "budget_tokens"}, chat_.left_out);
    const std::string type = text_of(thinking, "type");
    if (chat_.find("reasoning_effort") || (type != "enabled" && type != "adaptive")) return;
    auto budget = json::count(json::member(thinking, "budget_tokens"));
    string_view effort = effort_of_budget(budget.value_or(8192));
    if (effort == "minimal") effort = "low";  // which switches thinking off at some
    chat_.set("reasoning_effort", json::quote(effort));
}

/// OpenAI's `user` has at most 64 characters: a longer one is told by its hash.
void Reader::user(string_view metadata) {
    std::string id = text_of(metadata, "user_id");
    leave_rest("metadata", metadata, {"user_id"}, chat_.left_out);
    constexpr std::size_t kLongest = 64;
    if (id.size() > kLongest) {
        id = made_up_id(id);
        id.replace(0, id.find('-'), "user");
    }
    if (!id.empty()) chat_.set("user", json::quote(id));
}

void Reader::parameter(string_view key, string_view value) {
    static constexpr auto kElsewhere =
        std::to_array<string_view>({"model", "messages", "system", "tools", "mcp_servers",
                                    "max_tokens", "stream", "thinking"});
    if (value == "null" || std::ranges::find(kElsewhere, key) != kElsewhere.end()) return;
    if (key == "stop_sequences")
        chat_.set("stop", std::string(value));
    else if (key == "tool_choice")
        tool_choice(value);
    else if (key == "output_config")
        output_config(value);
    else if (key == "output_format")
        format(value);
    else if (key == "metadata")
        user(value);
    else if (key == "service_tier" && value == "\"standard_only\"")
        chat_.set(key, "\"default\"");
    else
        chat_.set(key, std::string(value));
}

base::Result<Chat> Reader::read() {
    for (auto part : {&Reader::max_tokens, &Reader::system, &Reader::messages, &Reader::tools})
        if (auto read = (this->*part)(); !read) return std::unexpected(read.error());
    for (const Member& member : request_.members)
        parameter(member.key, request_.text(member.value));
    if (string_view wanted = value("thinking"); wanted.starts_with('{')) thinking(wanted);
    return std::move(chat_);
}

}  // namespace

base::Result<Chat> AnthropicClient::read(const ChatRequest& request) const {
    return Reader(request).read();
}

}  // namespace llm
