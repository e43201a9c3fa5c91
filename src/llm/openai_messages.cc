#include "llm/openai_messages.h"

#include "llm/fields.h"
#include "llm/message_fields.h"
#include "llm/mistral_messages.h"
#include "llm/openai_client.h"
#include "llm/tool_names.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace llm::openai {
namespace {

using std::string_view;

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

/// Others than OpenAI give longer ids than it takes back.
void shorten_ids(string_view messages, Splice& splice, std::vector<std::string>& changes) {
    auto shorten = [&](string_view value) {
        const std::optional<std::string> id = json::text(value);
        if (!id || id->size() <= kLongestOpenAiId) return;
        splice.replace(value, json::quote(fitting_name(*id, kLongestOpenAiId)));
        note(changes, "shortened ids of tool calls");
    };
    for_each_element(messages, [&](string_view message) {
        shorten(json::member(message, "tool_call_id"));
        for_each_element(json::member(message, "tool_calls"),
                         [&](string_view call) { shorten(json::member(call, "id")); });
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
    const bool calls = messages.find("\"tool_calls\"") != messages.npos;
    if (upstream.provider == base::Provider::openai && calls)
        shorten_ids(messages, splice, changes);
    if (upstream.provider == base::Provider::mistral)
        edit_mistral_messages(messages, splice, changes);
    else if (drops || !rules.allow.empty())
        edit_members(rules, messages, splice, changes);
}

}  // namespace llm::openai
