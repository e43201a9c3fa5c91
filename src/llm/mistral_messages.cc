#include "llm/mistral_messages.h"

#include "llm/fields.h"
#include "llm/message_fields.h"
#include "llm/openai_messages.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace llm::openai {
namespace {

using std::string_view;

class MistralMessages {
public:
    MistralMessages(Splice& splice, std::vector<std::string>& changes)
        : splice_(splice), changes_(changes) {}

    void edit(string_view messages);

private:
    void message(string_view message);
    void order(string_view message, string_view role);
    std::string missing_results();
    void begin_answer(string_view last);
    void content(string_view parts);
    void tool_calls(string_view calls);
    void tool_call(string_view call);
    std::string tool_id(string_view value);
    void role(string_view value);

    Splice& splice_;
    std::vector<std::string>& changes_;
    bool last_ = false;               ///< the message at hand is the last
    bool after_tool_ = false;         ///< the one before it is a tool's result
    std::vector<std::string> calls_;  ///< ids of calls that have no result yet
};

constexpr string_view kAssistant = "\"assistant\"";
constexpr string_view kTool = "\"tool\"";

std::span<const string_view> known_keys(string_view role) {
    static constexpr auto kAssistants =
        std::to_array<string_view>({"role", "content", "tool_calls", "prefix"});
    static constexpr auto kTools =
        std::to_array<string_view>({"role", "content", "tool_call_id", "name"});
    static constexpr auto kOthers = std::to_array<string_view>({"role", "content"});
    if (role == kAssistant) return kAssistants;
    if (role == kTool) return kTools;
    return kOthers;
}

void MistralMessages::edit(string_view messages) {
    std::vector<string_view> list;
    for_each_element(messages, [&list](string_view message) { list.push_back(message); });
    for (string_view one : list) {
        last_ = one.data() == list.back().data();
        message(one);
    }
    if (list.empty()) return;
    if (calls_.empty()) return begin_answer(list.back());
    const string_view last = list.back();
    splice_.insert(last.data() + last.size(), ',' + missing_results());
}

/// What has to stand between the message before and this one.
void MistralMessages::order(string_view message, string_view role) {
    if (role == kTool) return;
    if (!calls_.empty()) {
        splice_.insert(message.data(), missing_results() + ',');
        after_tool_ = true;
    }
    if (after_tool_ && role != kAssistant) {
        splice_.insert(message.data(), R"({"role":"assistant","content":"OK."},)");
        note(changes_, "added an assistant turn after a tool's result");
    }
}

/// Messages for the calls that have no result.
std::string MistralMessages::missing_results() {
    std::string out;
    for (const std::string& id : calls_)
        out += fmt::format(R"({}{{"role":"tool","tool_call_id":{},"content":"No result."}})",
                           out.empty() ? "" : ",", json::quote(id));
    calls_.clear();
    note(changes_, "added results for tool calls that have none");
    return out;
}

void MistralMessages::message(string_view message) {
    const string_view role_value = json::member(message, "role");
    order(message, role_value);
    after_tool_ = role_value == kTool;
    std::span<const string_view> keys = known_keys(role_value);
    ObjectEdit edit(splice_, message);
    for_each_field(message, [&](const Field& field) {
        bool empty_calls = field.key == "tool_calls" && json::blank(field.value);
        if (empty_calls || std::ranges::find(keys, field.key) == keys.end()) {
            edit.remove(field.whole);
            note(changes_, fmt::format("removed messages[].{}", field.key));
            return;
        }
        edit.keep(field.whole);
        if (field.key == "role")
            role(field.value);
        else if (field.key == "content")
            content(field.value);
        else if (field.key == "tool_calls")
            tool_calls(field.value);
        else if (field.key == "tool_call_id")
            std::erase(calls_, tool_id(field.value));
    });
    edit.finish();
}

/// An assistant's message that stands last is the beginning of the answer.
void MistralMessages::begin_answer(string_view last) {
    bool open =
        json::member(last, "role") == kAssistant && json::blank(json::member(last, "tool_calls"));
    if (!open || !json::member(last, "prefix").empty()) return;
    splice_.insert(last.data() + 1, R"("prefix":true,)");
    note(changes_, "added messages[].prefix");
}

/// The system's words that stand last are what is asked.
void MistralMessages::role(string_view value) {
    const bool developer = value == "\"developer\"";
    if (!developer && !(last_ && value == "\"system\"")) return;
    const string_view taken = last_ ? "user" : "system";
    splice_.replace(value, json::quote(taken));
    note(changes_, fmt::format("changed messages[].role from {} to {}",
                               developer ? "developer" : "system", taken));
}

void MistralMessages::content(string_view parts) {
    for_each_element(parts, [this](string_view part) {
        if (told_as_text(part)) return;  // it is replaced as a whole
        ObjectEdit edit(splice_, part);
        for_each_field(part, [&](const Field& field) {
            if (field.key != "cache_control") return edit.keep(field.whole);
            edit.remove(field.whole);
            note(changes_, "removed messages[].content[].cache_control");
        });
        edit.finish();
    });
}

void MistralMessages::tool_calls(string_view calls) {
    for_each_element(calls, [this](string_view call) {
        if (call.starts_with('{') && !json::blank(call)) tool_call(call);
    });
}

void MistralMessages::tool_call(string_view call) {
    const string_view id = json::member(call, "id");
    if (std::string taken = tool_id(id); !taken.empty()) calls_.push_back(std::move(taken));
    if (json::member(call, "type").empty()) {
        splice_.insert(call.data() + 1, R"("type":"function",)");
        note(changes_, "added messages[].tool_calls[].type");
    }
    const string_view arguments = json::member(call, "function", "arguments");
    if (!arguments.starts_with('{')) return;
    splice_.replace(arguments, json::quote(arguments));
    note(changes_, "changed messages[].tool_calls[].function.arguments to a text");
}

/// Makes an id fit, and gives the one that is sent; empty: it is no text.
std::string MistralMessages::tool_id(string_view value) {
    const std::optional<std::string> id = json::text(value);
    if (!id) return {};
    std::string fitting = mistral_tool_id(*id);
    if (fitting != *id) {
        splice_.replace(value, json::quote(fitting));
        note(changes_, "mapped tool call ids to nine characters");
    }
    return fitting;
}

}  // namespace

void edit_mistral_messages(string_view messages, Splice& splice,
                           std::vector<std::string>& changes) {
    MistralMessages(splice, changes).edit(messages);
}

}  // namespace llm::openai
