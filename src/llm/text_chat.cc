#include "llm/text_chat.h"

#include "llm/json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::unexpected<base::Error> no_word(string_view member, string_view protocol) {
    return base::fail(base::ErrorKind::unsupported,
                      fmt::format("{}: not carried over the {} protocol", member, protocol));
}

base::Result<void> check_members(const ChatRequest& request, string_view protocol) {
    auto value = [&request](string_view key) {
        const Member* member = request.find(key);
        return member ? request.text(member->value) : string_view();
    };
    for (string_view key : {"tools", "functions", "audio"})
        if (!json::blank(value(key))) return no_word(key, protocol);
    if (request.wants_json_schema) return no_word("response_format", protocol);
    if (value("logprobs") == "true") return no_word("logprobs", protocol);
    if (std::optional<std::uint64_t> n = json::count(value("n")); n && *n != 1)
        return no_word("n", protocol);
    return {};
}

/// The text of a message: a string, a list of text parts, or nothing.
base::Result<std::string> read_content(string_view content, string_view protocol) {
    if (std::optional<std::string> text = json::text(content)) return *text;
    std::string out;
    if (!content.starts_with('[')) return out;
    json::Cursor in(content);
    in.enter_array();
    while (in.next_element()) {
        string_view part = in.value();
        std::optional<std::string> text = json::text(json::member(part, "text"));
        std::string type = json::text(json::member(part, "type")).value_or("text");
        if (type != "text" && type != "input_text")
            return no_word(fmt::format("messages[].content[].{}", type), protocol);
        out += text.value_or("");
    }
    return out;
}

base::Result<Turn> read_turn(string_view message, string_view protocol) {
    std::string role = json::text(json::member(message, "role")).value_or("");
    for (string_view key : {"tool_calls", "function_call"})
        if (!json::blank(json::member(message, key)))
            return no_word(fmt::format("messages[].{}", key), protocol);
    Turn turn;
    if (role == "system" || role == "developer")
        turn.role = Turn::Role::system;
    else if (role == "assistant")
        turn.role = Turn::Role::assistant;
    else if (role != "user")
        return no_word(fmt::format("messages[].role {}", role), protocol);
    base::Result<std::string> text = read_content(json::member(message, "content"), protocol);
    if (!text) return std::unexpected(text.error());
    turn.text = *std::move(text);
    return turn;
}

}  // namespace

base::Result<std::vector<Turn>> read_text_chat(const ChatRequest& request, string_view protocol) {
    if (base::Result<void> good = check_members(request, protocol); !good)
        return std::unexpected(good.error());
    std::vector<Turn> turns;
    const Member* messages = request.find("messages");
    if (!messages) return no_word("prompt", protocol);
    json::Cursor in(request.text(messages->value));
    in.enter_array();
    while (in.next_element()) {
        base::Result<Turn> turn = read_turn(in.value(), protocol);
        if (!turn) return std::unexpected(turn.error());
        turns.push_back(*std::move(turn));
    }
    return turns;
}

std::string messages_json(const std::vector<Turn>& turns, EmptyTurns empty) {
    const auto role = [](Turn::Role r) {
        return r == Turn::Role::system      ? "system"
               : r == Turn::Role::assistant ? "assistant"
                                            : "user";
    };
    std::string out = "[";
    for (const Turn& turn : turns) {
        if (empty == EmptyTurns::leave_out && turn.text.empty() && turn.role != Turn::Role::user)
            continue;
        if (out.size() > 1) out += ',';
        out +=
            fmt::format(R"({{"role":"{}","content":{}}})", role(turn.role), json::quote(turn.text));
    }
    return out + ']';
}

}  // namespace llm
