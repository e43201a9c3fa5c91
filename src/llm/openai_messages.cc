#include "llm/openai_messages.h"

#include "llm/fields.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace llm::openai {
namespace {

using std::string_view;

struct Field {
    string_view key;
    string_view quoted_key;
    string_view value;
    string_view whole;
};

template <class Visit>
void for_each_field(string_view object, Visit visit) {
    json::Cursor in(object);
    string_view key;
    if (!object.starts_with('{') || !in.enter_object()) return;
    while (in.next_member(key)) {
        string_view value = in.value();
        const char* begin = key.data() - 1;
        auto size = static_cast<std::size_t>(value.data() + value.size() - begin);
        visit(Field{key, {begin, key.size() + 2}, value, {begin, size}});
    }
}

class Changes {
public:
    explicit Changes(std::vector<std::string>& list) : list_(list) {}
    void note(std::string text) {
        if (std::ranges::find(list_, text) == list_.end()) list_.push_back(std::move(text));
    }

private:
    std::vector<std::string>& list_;
};

void remove_names(string_view messages, Splice& splice, Changes changes) {
    for_each_element(messages, [&](string_view message) {
        ObjectEdit edit(splice, message);
        for_each_field(message, [&](const Field& field) {
            if (field.key != "name") return edit.keep(field.whole);
            edit.remove(field.whole);
            changes.note("removed messages[].name");
        });
        edit.finish();
    });
}

void rename_reasoning(string_view messages, Splice& splice, Changes changes) {
    for_each_element(messages, [&](string_view message) {
        bool has_reasoning = !json::member(message, "reasoning").empty();
        ObjectEdit edit(splice, message);
        for_each_field(message, [&](const Field& field) {
            if (field.key != "reasoning_content") return edit.keep(field.whole);
            bool text = field.value.starts_with('"') && !has_reasoning;
            if (text)
                edit.rename(field.whole, field.quoted_key, "reasoning");
            else
                edit.remove(field.whole);
            changes.note(text ? "renamed messages[].reasoning_content to reasoning"
                              : "removed messages[].reasoning_content");
        });
        edit.finish();
    });
}

/// Mistral's messages: known keys by role, `developer` as `system`, tool ids, and
/// an assistant turn between a tool's result and a user's next words.
class MistralMessages {
public:
    MistralMessages(Splice& splice, Changes changes) : splice_(splice), changes_(changes) {}

    void edit(string_view messages) {
        string_view last;
        for_each_element(messages, [&](string_view message) {
            this->message(message);
            last = message;
        });
        begin_answer(last);
    }

private:
    void message(string_view message);
    void begin_answer(string_view last);
    void content(string_view parts);
    void tool_calls(string_view calls);
    void tool_id(string_view value);
    void role(string_view value);

    Splice& splice_;
    Changes changes_;
    bool after_tool_ = false;
};

std::span<const string_view> mistral_keys(string_view role) {
    static constexpr auto kAssistant =
        std::to_array<string_view>({"role", "content", "tool_calls", "prefix"});
    static constexpr auto kTool =
        std::to_array<string_view>({"role", "content", "tool_call_id", "name"});
    static constexpr auto kOther = std::to_array<string_view>({"role", "content"});
    if (role == "\"assistant\"") return kAssistant;
    if (role == "\"tool\"") return kTool;
    return kOther;
}

void MistralMessages::message(string_view message) {
    string_view role_value = json::member(message, "role");
    if (after_tool_ && role_value == "\"user\"") {
        splice_.insert(message.data(), R"({"role":"assistant","content":"OK."},)");
        changes_.note("added an assistant turn between tool and user");
    }
    after_tool_ = role_value == "\"tool\"";
    std::span<const string_view> keys = mistral_keys(role_value);
    ObjectEdit edit(splice_, message);
    for_each_field(message, [&](const Field& field) {
        bool empty_calls = field.key == "tool_calls" && json::blank(field.value);
        if (empty_calls || std::ranges::find(keys, field.key) == keys.end()) {
            edit.remove(field.whole);
            changes_.note(fmt::format("removed messages[].{}", field.key));
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
            tool_id(field.value);
    });
    edit.finish();
}

/// An assistant's message that stands last is the beginning of the answer.
void MistralMessages::begin_answer(string_view last) {
    bool open = json::member(last, "role") == "\"assistant\"" &&
                json::blank(json::member(last, "tool_calls"));
    if (!open || !json::member(last, "prefix").empty()) return;
    splice_.insert(last.data() + 1, R"("prefix":true,)");
    changes_.note("added messages[].prefix");
}

void MistralMessages::role(string_view value) {
    if (value != "\"developer\"") return;
    splice_.replace(value, "\"system\"");
    changes_.note("changed messages[].role from developer to system");
}

void MistralMessages::content(string_view parts) {
    for_each_element(parts, [this](string_view part) {
        ObjectEdit edit(splice_, part);
        for_each_field(part, [&](const Field& field) {
            if (field.key != "cache_control") return edit.keep(field.whole);
            edit.remove(field.whole);
            changes_.note("removed messages[].content[].cache_control");
        });
        edit.finish();
    });
}

void MistralMessages::tool_calls(string_view calls) {
    for_each_element(calls, [this](string_view call) {
        for_each_field(call, [this](const Field& field) {
            if (field.key == "id") tool_id(field.value);
        });
    });
}

void MistralMessages::tool_id(string_view value) {
    std::optional<std::string> id = json::text(value);
    if (!id) return;
    std::string fitting = mistral_tool_id(*id);
    if (fitting == *id) return;
    splice_.replace(value, json::quote(fitting));
    changes_.note("mapped tool call ids to nine characters");
}

constexpr string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

}  // namespace

std::string mistral_tool_id(string_view id) {
    constexpr std::size_t kLength = 9;
    bool fits = id.size() == kLength && id.find_first_not_of(kBase62) == id.npos;
    if (fits) return std::string(id);
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a
    for (char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hash ^= hash >> 32;
    std::string out(kLength, '0');
    for (char& c : out) {
        c = kBase62[hash % kBase62.size()];
        hash /= kBase62.size();
    }
    return out;
}

void edit_messages(base::Provider provider, string_view messages, Splice& splice,
                   std::vector<std::string>& changes) {
    auto mentions = [messages](string_view text) { return messages.find(text) != messages.npos; };
    Changes notes(changes);
    if (provider == base::Provider::groq && mentions("\"name\"")) {
        remove_names(messages, splice, notes);
    } else if (provider == base::Provider::cerebras && mentions("\"reasoning_content\"")) {
        rename_reasoning(messages, splice, notes);
    } else if (provider == base::Provider::mistral) {
        MistralMessages(splice, notes).edit(messages);
    }
}

}  // namespace llm::openai
