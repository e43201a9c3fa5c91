#include "llm/text_chat.h"

#include "llm/json.h"

#include <algorithm>
#include <array>

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

void ObjectWriter::set(string_view key, std::string json) {
    auto it = std::ranges::find(members_, key, &std::pair<std::string, std::string>::first);
    if (it != members_.end())
        it->second = std::move(json);
    else
        members_.emplace_back(key, std::move(json));
}

const std::string* ObjectWriter::find(string_view key) const {
    auto it = std::ranges::find(members_, key, &std::pair<std::string, std::string>::first);
    return it == members_.end() ? nullptr : &it->second;
}

std::string ObjectWriter::str() const {
    std::string out = "{";
    for (const auto& [key, json] : members_) {
        if (out.size() > 1) out += ',';
        out += json::quote(key);
        out += ':';
        out += json;
    }
    return out + '}';
}

string_view Parameters::get(string_view key) {
    used(key);
    if (std::ranges::find(upstream_.drop, key) != upstream_.drop.end()) return {};
    string_view value;
    if (const Member* member = request_.find(key)) value = request_.text(member->value);
    if (!value.empty() && value != "null") return value;
    auto extra = std::ranges::find(upstream_.defaults, key, &Extra::key);
    return extra == upstream_.defaults.end() ? string_view() : string_view(extra->json);
}

std::optional<double> Parameters::number(string_view key) { return json::number(get(key)); }

std::optional<std::uint64_t> Parameters::max_tokens() {
    std::optional<std::uint64_t> newer = json::count(get("max_completion_tokens"));
    std::optional<std::uint64_t> older = json::count(get("max_tokens"));
    bool client_older = request_.find("max_tokens") && !request_.find("max_completion_tokens");
    return newer && !(client_older && older) ? newer : older;
}

std::vector<std::string> Parameters::stops() {
    std::vector<std::string> out;
    string_view stop = get("stop");
    if (std::optional<std::string> one = json::text(stop)) out.push_back(*one);
    if (!stop.starts_with('[')) return out;
    json::Cursor in(stop);
    in.enter_array();
    while (in.next_element())
        if (std::optional<std::string> one = json::text(in.value())) out.push_back(*one);
    return out;
}

bool Parameters::was_used(string_view key) const {
    static constexpr auto kAlways =
        std::to_array<string_view>({"model", "messages", "stream", "stream_options", "n"});
    return std::ranges::find(kAlways, key) != kAlways.end() ||
           std::ranges::find(used_, key) != used_.end();
}

std::vector<std::string> Parameters::changes() const {
    std::vector<std::string> out;
    for (const Member& member : request_.members)
        if (!was_used(member.key)) out.push_back(fmt::format("removed {}", member.key));
    return out;
}

std::vector<const Extra*> Parameters::native_defaults() const {
    std::vector<const Extra*> out;
    for (const Extra& extra : upstream_.defaults)
        if (!was_used(extra.key)) out.push_back(&extra);
    return out;
}

std::string clamped(double value, double low, double high) {
    return fmt::format("{}", std::clamp(value, low, high));
}

std::string quoted_list(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts) {
        if (out.size() > 1) out += ',';
        out += json::quote(text);
    }
    return out + ']';
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
