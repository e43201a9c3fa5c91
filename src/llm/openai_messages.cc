#include "llm/openai_messages.h"

#include "llm/fields.h"
#include "llm/openai_client.h"

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

/// What a provider takes of a message's members.
struct MessageRules {
    std::span<const string_view> allow{};  ///< a closed schema; empty: everything but `drop`
    std::span<const string_view> drop{};
    bool reasoning = false;  ///< says `reasoning` for `reasoning_content`
};

/// What answers to clients have beside OpenAI's members, and clients send back.
constexpr auto kGroqDrop =
    std::to_array<string_view>({"name", "reasoning_content", "thinking_blocks", "citations",
                                "annotations", "reasoning_details"});
constexpr auto kCerebrasAllow = std::to_array<string_view>(
    {"role", "content", "name", "tool_calls", "tool_call_id", "reasoning"});
constexpr auto kOpenAiDrop = std::to_array<string_view>({"thinking_blocks"});

MessageRules message_rules(base::Provider provider) {
    switch (provider) {
        case base::Provider::groq: return {.drop = kGroqDrop, .reasoning = true};
        case base::Provider::cerebras: return {.allow = kCerebrasAllow, .reasoning = true};
        case base::Provider::openai: return {.drop = kOpenAiDrop};
        default: return {};
    }
}

void edit_members(const MessageRules& rules, string_view messages, Splice& splice,
                  std::vector<std::string>& changes) {
    auto taken = [&rules](string_view key) {
        return std::ranges::find(rules.drop, key) == rules.drop.end() &&
               (rules.allow.empty() || std::ranges::find(rules.allow, key) != rules.allow.end());
    };
    for_each_element(messages, [&](string_view message) {
        const bool renames = rules.reasoning && json::member(message, "reasoning").empty();
        ObjectEdit edit(splice, message);
        for_each_field(message, [&](const Field& field) {
            if (taken(field.key)) return edit.keep(field.whole);
            if (renames && field.key == "reasoning_content" && field.value.starts_with('"')) {
                edit.rename(field.whole, field.quoted_key, "reasoning");
                note(changes, "renamed messages[].reasoning_content to reasoning");
                return;
            }
            edit.remove(field.whole);
            note(changes, fmt::format("removed messages[].{}", field.key));
        });
        edit.finish();
    });
}

bool reads_files(const Upstream& upstream) {
    switch (upstream.provider) {
        case base::Provider::groq:
        case base::Provider::cerebras:
        case base::Provider::mistral:
        case base::Provider::huggingface: return false;
        default: return upstream.documents;
    }
}

void edit_files(string_view messages, Splice& splice, std::vector<std::string>& changes) {
    for_each_element(messages, [&](string_view message) {
        for_each_element(json::member(message, "content"), [&](string_view part) {
            auto text = told_as_text(part);
            if (!text) return;
            splice.replace(part, *std::move(text));
            note(changes, "changed messages[].content[].file to text");
        });
    });
}

/// Mistral's messages: known keys by role, `developer` as `system`, tool ids, and
/// an assistant turn between a tool's result and a user's next words.
class MistralMessages {
public:
    MistralMessages(Splice& splice, std::vector<std::string>& changes)
        : splice_(splice), changes_(changes) {}

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
    std::vector<std::string>& changes_;
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
        note(changes_, "added an assistant turn between tool and user");
    }
    after_tool_ = role_value == "\"tool\"";
    std::span<const string_view> keys = mistral_keys(role_value);
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
    note(changes_, "added messages[].prefix");
}

void MistralMessages::role(string_view value) {
    if (value != "\"developer\"") return;
    splice_.replace(value, "\"system\"");
    note(changes_, "changed messages[].role from developer to system");
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
    note(changes_, "mapped tool call ids to nine characters");
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

std::optional<std::string> told_as_text(string_view part) {
    if (json::member(part, "type") != "\"file\"") return std::nullopt;
    auto read = read_openai_content(fmt::format("[{}]", part));
    if (!read || read->front().text.empty()) return std::nullopt;
    return fmt::format(R"({{"type":"text","text":{}}})", json::quote(read->front().text));
}

void edit_messages(const Upstream& upstream, string_view messages, Splice& splice,
                   std::vector<std::string>& changes) {
    const MessageRules rules = message_rules(upstream.provider);
    const bool drops = std::ranges::any_of(rules.drop, [messages](string_view key) {
        return messages.find(json::quote(key)) != messages.npos;
    });
    if (!reads_files(upstream) && messages.find("\"file\"") != messages.npos)
        edit_files(messages, splice, changes);
    if (upstream.provider == base::Provider::mistral)
        MistralMessages(splice, changes).edit(messages);
    else if (drops || !rules.allow.empty())
        edit_members(rules, messages, splice, changes);
}

}  // namespace llm::openai
