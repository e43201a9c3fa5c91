#include "base/units.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai_client.h"
#include "llm/responses_client.h"
#include "llm/responses_ids.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// Reads the items one by one. The thoughts, words and calls of one turn of the assistant become
/// one message, the results of tools and the user's words after them another.
class Items {
public:
    explicit Items(Chat& chat) : native_(chat.native), left_out_(chat.left_out) {}

    base::Result<void> read(string_view item, std::size_t index);
    std::vector<Message> take() { return std::move(messages_); }

private:
    base::Result<void> message(string_view item, std::size_t index);
    base::Result<void> call(string_view item, std::size_t index, string_view arguments);
    base::Result<void> result(string_view item, std::size_t index);
    void reasoning(string_view item);
    base::Result<std::vector<Part>> content(string_view content, std::string where);
    Message& assistant(bool joins);

    std::vector<Message> messages_;
    std::vector<std::string>& native_;
    std::vector<std::string>& left_out_;
};

/// The turn of the assistant that the next item belongs to; a new one unless it `joins` the last.
Message& Items::assistant(bool joins) {
    if (!joins || messages_.empty() || messages_.back().role != Message::Role::assistant)
        messages_.push_back({.role = Message::Role::assistant});
    return messages_.back();
}

base::Result<std::vector<Part>> Items::content(string_view content, std::string where) {
    auto parts = read_openai_content(content, where);
    if (!parts) return parts;
    for (Part& part : *parts) {
        std::erase_if(part.extras, [this](const Extra& extra) {
            const bool lost = extra.key == "annotations" || extra.key == "logprobs";
            if (lost && !json::blank(extra.json)) note(left_out_, "input[].content[]." + extra.key);
            return lost || extra.key == "file_id" || json::blank(extra.json);
        });
        const bool stored = part.kind == Part::Kind::image && !part.id.empty();
        if (stored) note(native_, where + ".file_id");
    }
    return parts;
}

base::Result<void> Items::message(string_view item, std::size_t index) {
    const std::string role = text_of(item, "role");
    leave_rest("input[]", item, {"type", "id", "status", "role", "content"}, left_out_);
    auto parts = content(json::member(item, "content"), fmt::format("input[{}].content[]", index));
    if (!parts) return std::unexpected(parts.error());
    if (role == "assistant") {
        const bool only_thought =
            !messages_.empty() && std::ranges::all_of(messages_.back().parts, [](const Part& part) {
                return part.kind == Part::Kind::thinking ||
                       part.kind == Part::Kind::redacted_thinking;
            });
        std::ranges::move(*parts, std::back_inserter(assistant(only_thought).parts));
        return {};
    }
    const bool system = role == "system" || role == "developer";
    if (!system && role != "user")
        return base::fail(
            base::ErrorKind::bad_input,
            fmt::format("`input[{}].role` must be user, assistant, system or developer", index));
    const bool after_results = !system && !messages_.empty() &&
                               messages_.back().role == Message::Role::user &&
                               !messages_.back().parts.empty() &&
                               messages_.back().parts.back().kind == Part::Kind::tool_result;
    if (!after_results)
        messages_.push_back({.role = system ? Message::Role::system : Message::Role::user});
    std::ranges::move(*parts, std::back_inserter(messages_.back().parts));
    return {};
}

base::Result<void> Items::call(string_view item, std::size_t index, string_view arguments) {
    leave_rest("input[]", item, {"type", "id", "status", "call_id", "name", "arguments", "input"},
               left_out_);
    Part part{.kind = Part::Kind::tool_call,
              .name = text_of(item, "name"),
              .id = text_of(item, "call_id"),
              .json = std::string(arguments)};
    if (part.name.empty() || part.id.empty())
        return base::fail(
            base::ErrorKind::bad_input,
            fmt::format("`input[{}]` is a call and needs `name` and `call_id`", index));
    if (base::trim(part.json).empty()) part.json = "{}";
    assistant(true).parts.push_back(std::move(part));
    return {};
}

base::Result<void> Items::result(string_view item, std::size_t index) {
    const string_view output = json::member(item, "output");
    leave_rest("input[]", item, {"type", "id", "status", "call_id", "output"}, left_out_);
    if (!output.starts_with('"') && !output.starts_with('['))
        return base::fail(
            base::ErrorKind::bad_input,
            fmt::format("`input[{}].output` must be a string or a list of parts", index));
    auto parts = content(output, fmt::format("input[{}].output[]", index));
    if (!parts) return std::unexpected(parts.error());
    Part part{.kind = Part::Kind::tool_result,
              .id = text_of(item, "call_id"),
              .parts = *std::move(parts)};
    if (part.id.empty())
        return base::fail(base::ErrorKind::bad_input,
                          fmt::format("`input[{}].call_id` is missing; name the call that it "
                                      "is the result of",
                                      index));
    const bool follows = !messages_.empty() && messages_.back().role == Message::Role::user &&
                         !messages_.back().parts.empty() &&
                         messages_.back().parts.back().kind == Part::Kind::tool_result;
    if (!follows) messages_.push_back({.role = Message::Role::user});
    messages_.back().parts.push_back(std::move(part));
    return {};
}

void Items::reasoning(string_view item) {
    Part part{.kind = Part::Kind::thinking};
    for (string_view list : {json::member(item, "summary"), json::member(item, "content")}) {
        json::Cursor in(list);
        if (!part.text.empty() || !list.starts_with('[') || !in.enter_array()) continue;
        while (in.next_element()) part.text += text_of(in.value(), "text");
    }
    const std::string encrypted = text_of(item, "encrypted_content");
    leave_rest("input[]", item, {"type", "id", "status", "summary", "content", "encrypted_content"},
               left_out_);
    if (!encrypted.empty() && !is_our_reasoning(encrypted))
        note(left_out_, "input[].encrypted_content");
    if (encrypted.starts_with(kSigned)) part.signature = encrypted.substr(kSigned.size());
    if (encrypted.starts_with(kRedacted)) {
        part.kind = Part::Kind::redacted_thinking;
        part.data = encrypted.substr(kRedacted.size());
    }
    if (part.text.empty() && part.signature.empty() && part.data.empty()) return;
    const bool within_turn =
        !messages_.empty() && !messages_.back().parts.empty() &&
        messages_.back().parts.back().kind != Part::Kind::text;  // a new turn follows an answer
    assistant(within_turn).parts.push_back(std::move(part));
}

base::Result<void> Items::read(string_view item, std::size_t index) {
    if (!item.starts_with('{'))
        return base::fail(base::ErrorKind::bad_input,
                          fmt::format("`input[{}]` must be an object with a `type`", index));
    const std::string type = text_of(item, "type");
    if (type == "message" || type.empty()) return message(item, index);
    if (type == "function_call") return call(item, index, text_of(item, "arguments"));
    if (type == "custom_tool_call")
        return call(item, index,
                    fmt::format(R"({{"input":{}}})", json::quote(text_of(item, "input"))));
    if (type == "function_call_output" || type == "custom_tool_call_output")
        return result(item, index);
    if (type == "reasoning") {
        reasoning(item);
        return {};
    }
    note(native_, fmt::format("input[].{}", type));
    return {};
}

}  // namespace

base::Result<std::vector<Message>> read_responses_input(string_view input, Chat& chat) {
    if (std::optional<std::string> text = json::text(input))
        return std::vector<Message>{{.parts = {{.text = *std::move(text)}}}};
    json::Cursor in(input);
    if (!input.starts_with('[') || !in.enter_array())
        return base::fail(base::ErrorKind::bad_input,
                          input.empty() ? "`input` is missing; send a string or a list of items"
                                        : "`input` must be a string or a list of items");
    Items items(chat);
    std::size_t index = 0;
    while (in.next_element())
        if (auto read = items.read(in.value(), index++); !read)
            return std::unexpected(read.error());
    if (index == 0)
        return base::fail(base::ErrorKind::bad_input,
                          "`input` is empty; it needs at least one item");
    return items.take();
}

}  // namespace llm
