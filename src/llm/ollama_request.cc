#include "llm/fields.h"
#include "llm/json.h"
#include "llm/ollama_client.h"
#include "llm/openai_client.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::unexpected<base::Error> wrong(std::string text) {
    return base::fail(base::ErrorKind::bad_input, std::move(text));
}

std::unexpected<base::Error> not_carried(string_view member) {
    return base::fail(base::ErrorKind::unsupported,
                      fmt::format("{}: only Ollama itself knows it", member));
}

/// Pictures come without their type: the first bytes tell it.
string_view picture_type(string_view base64) {
    if (base64.starts_with("iVBOR")) return "image/png";
    if (base64.starts_with("R0lGOD")) return "image/gif";
    if (base64.starts_with("UklGR")) return "image/webp";
    return "image/jpeg";
}

base::Result<void> read_images(string_view images, std::vector<Part>& parts) {
    if (json::blank(images)) return {};
    json::Cursor in(images);
    if (!images.starts_with('[') || !in.enter_array())
        return wrong("`images` must be an array of base64 texts");
    while (in.next_element()) {
        std::optional<std::string> data = json::text(in.value());
        if (!data) return wrong("`images` must be an array of base64 texts");
        Part part{.kind = Part::Kind::image};
        if (data->starts_with("data:") || data->starts_with("http")) {
            set_source(part, *std::move(data));
        } else {
            part.media_type = picture_type(*data);
            part.data = *std::move(data);
        }
        parts.push_back(std::move(part));
    }
    return {};
}

/// Reads the messages one by one. Results of tools that follow each other, and the user's words
/// after them, become one user's message. Calls without an id are numbered, and a result
/// without one answers the first open call of its tool.
class Messages {
public:
    base::Result<void> read(string_view message);
    std::vector<Message> take() { return std::move(messages_); }

private:
    struct Call {
        std::string id;
        std::string tool;
    };
    void result(string_view message, std::string content);
    std::string answered(string_view message);
    void calls(string_view calls, std::vector<Part>& parts);

    std::vector<Message> messages_;
    std::vector<Call> open_;
    std::size_t calls_ = 0;
    bool in_results_ = false;
};

std::string Messages::answered(string_view message) {
    std::string id = text_of(message, "tool_call_id");
    std::string tool = text_of(message, "tool_name");
    if (tool.empty()) tool = text_of(message, "name");
    auto call = std::ranges::find_if(
        open_, [&](const Call& c) { return id.empty() ? c.tool == tool : c.id == id; });
    if (call == open_.end() && id.empty()) call = open_.begin();
    if (call == open_.end()) return id.empty() ? "call_0" : id;
    id = call->id;
    open_.erase(call);
    return id;
}

void Messages::result(string_view message, std::string content) {
    if (!std::exchange(in_results_, true)) messages_.push_back({.role = Message::Role::user});
    Part part{.kind = Part::Kind::tool_result,
              .name = text_of(message, "tool_name"),
              .id = answered(message)};
    if (!content.empty()) part.parts.push_back({.text = std::move(content)});
    messages_.back().parts.push_back(std::move(part));
}

void Messages::calls(string_view calls, std::vector<Part>& parts) {
    json::Cursor in(calls);
    if (!calls.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) {
        string_view call = in.value();
        string_view arguments = json::member(call, "function", "arguments");
        Part part{.kind = Part::Kind::tool_call,
                  .name = text_of(json::member(call, "function"), "name"),
                  .id = text_of(call, "id"),
                  .json = json::text(arguments).value_or(std::string(arguments))};
        ++calls_;
        if (part.id.empty()) part.id = fmt::format("call_{}", calls_);
        if (part.json.empty()) part.json = "{}";
        open_.push_back({part.id, part.name});
        parts.push_back(std::move(part));
    }
}

base::Result<void> Messages::read(string_view message) {
    const std::string role = text_of(message, "role");
    string_view content = json::member(message, "content");
    std::optional<std::string> text = json::text(content);
    if (!text && !json::blank(content))
        return wrong("`messages[].content` must be a string; pictures go into `images`");
    if (role == "tool") {
        result(message, text.value_or(""));
        return {};
    }
    const bool after_results = std::exchange(in_results_, false);
    Message out;
    if (role == "system")
        out.role = Message::Role::system;
    else if (role == "assistant")
        out.role = Message::Role::assistant;
    else if (role != "user")
        return wrong(
            fmt::format("`messages[].role` is `{}`; it must be system, user, assistant "
                        "or tool",
                        role));
    if (std::string thinking = text_of(message, "thinking"); !thinking.empty())
        out.parts.push_back({.kind = Part::Kind::thinking, .text = std::move(thinking)});
    if (text && !text->empty()) out.parts.push_back({.text = *std::move(text)});
    if (auto read = read_images(json::member(message, "images"), out.parts); !read) return read;
    if (out.role == Message::Role::assistant) {
        open_.clear();
        calls(json::member(message, "tool_calls"), out.parts);
    }
    if (after_results && out.role == Message::Role::user)
        std::ranges::move(out.parts, std::back_inserter(messages_.back().parts));
    else
        messages_.push_back(std::move(out));
    return {};
}

base::Result<void> read_messages(string_view messages, Chat& chat) {
    if (messages.empty() || messages == "null") return {};
    json::Cursor in(messages);
    if (!messages.starts_with('[') || !in.enter_array())
        return wrong("`messages` must be an array of messages");
    Messages reader;
    while (in.next_element()) {
        string_view message = in.value();
        leave_rest("messages[]", message,
                   {"role", "content", "thinking", "images", "tool_calls", "tool_call_id",
                    "tool_name", "name"},
                   chat.left_out);
        if (auto read = reader.read(message); !read) return read;
    }
    chat.messages = reader.take();
    return {};
}

/// A prompt is a chat of one user's message after the system's.
base::Result<void> read_prompt(const ChatRequest& request, Chat& chat) {
    auto value = [&request](string_view key) {
        const Member* member = request.find(key);
        return member ? request.text(member->value) : string_view();
    };
    string_view prompt = value("prompt");
    if (!json::text(prompt) && !prompt.empty() && prompt != "null")
        return wrong("`prompt` must be a string");
    if (!json::blank(value("suffix"))) return not_carried("suffix");
    if (value("raw") == "true") return not_carried("raw");
    if (std::string system = json::text(value("system")).value_or(""); !system.empty())
        chat.messages.push_back(
            {.role = Message::Role::system, .parts = {{.text = std::move(system)}}});
    Message user;
    if (std::string text = json::text(prompt).value_or(""); !text.empty())
        user.parts.push_back({.text = std::move(text)});
    if (auto read = read_images(value("images"), user.parts); !read) return read;
    if (!user.parts.empty()) chat.messages.push_back(std::move(user));
    return {};
}

/// Options that others know as well, under the names that the canonical form has for them.
constexpr auto kSharedOptions =
    std::to_array<string_view>({"temperature", "top_p", "top_k", "min_p", "seed", "stop",
                                "presence_penalty", "frequency_penalty", "repeat_penalty"});

void read_options(string_view options, Chat& chat) {
    json::Cursor in(options);
    string_view key;
    if (!options.starts_with('{') || !in.enter_object()) return;
    while (in.next_member(key)) {
        string_view value = in.value();
        if (value == "null") continue;
        if (key == "num_predict") {
            if (json::count(value)) chat.set("max_tokens", std::string(value));
        } else if (std::ranges::find(kSharedOptions, key) != kSharedOptions.end()) {
            chat.set(key, std::string(value));
        } else {
            chat.set(fmt::format("options.{}", json::unescape(key)), std::string(value));
        }
    }
}

base::Result<void> read_think(string_view value, Chat& chat) {
    std::string effort = json::text(value).value_or("");
    if (value == "false") effort = "none";
    if (value == "true") effort = "medium";
    if (effort == "max") effort = "high";
    if (effort != "none" && effort != "low" && effort != "medium" && effort != "high")
        return wrong(R"(`think` must be true, false, "low", "medium" or "high")");
    chat.set("reasoning_effort", json::quote(effort));
    return {};
}

base::Result<void> read_format(string_view value, Chat& chat) {
    if (value == "\"json\"")
        chat.set("response_format", R"({"type":"json_object"})");
    else if (value.starts_with('{'))
        chat.set(
            "response_format",
            fmt::format(R"({{"type":"json_schema","json_schema":{{"name":"answer","schema":{}}}}})",
                        value));
    else if (value != "\"\"")
        return wrong(R"(`format` must be "json" or a JSON schema)");
    return {};
}

constexpr auto kElsewhere = std::to_array<string_view>(
    {"model", "messages", "stream", "prompt", "suffix", "raw", "system", "images"});

base::Result<void> read_parameter(string_view key, string_view value, Chat& chat) {
    if (key == "tools") {
        auto tools = read_openai_tools(value);
        if (!tools) return std::unexpected(tools.error());
        chat.tools = *std::move(tools);
    } else if (key == "options") {
        read_options(value, chat);
    } else if (key == "think") {
        return read_think(value, chat);
    } else if (key == "format") {
        return read_format(value, chat);
    } else if (key == "logprobs" && value == "true") {
        return not_carried("logprobs");
    } else if (std::ranges::find(kElsewhere, key) == kElsewhere.end()) {
        chat.set(key, std::string(value));
    }
    return {};
}

}  // namespace

base::Result<Chat> OllamaClient::read(const ChatRequest& request) const {
    Chat chat;
    const Member* messages = request.find("messages");
    auto read = route_ == Route::generate ? read_prompt(request, chat)
                : messages                ? read_messages(request.text(messages->value), chat)
                                          : base::Result<void>();
    if (!read) return std::unexpected(read.error());
    for (const Member& member : request.members) {
        string_view value = request.text(member.value);
        if (value == "null") continue;
        // A prompt has no calls: an answer of nothing else would be empty.
        if (route_ == Route::generate && member.key == "tools") continue;
        if (auto good = read_parameter(member.key, value, chat); !good)
            return std::unexpected(good.error());
    }
    return chat;
}

}  // namespace llm
