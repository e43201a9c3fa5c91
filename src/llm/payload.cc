#include "llm/payload.h"

#include "llm/fields.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

bool given(string_view value) { return !value.empty() && value != "null"; }

constexpr auto kContentKeys =
    std::to_array<string_view>({"content", "refusal", "tool_calls", "function_call", "audio"});
constexpr auto kThinkingKeys =
    std::to_array<string_view>({"reasoning", "reasoning_content", "reasoning_details"});
/// Members of a part or a call that hold words or hold such members; the rest is its frame.
constexpr auto kWordKeys =
    std::to_array<string_view>({"text", "thinking", "summary", "data", "refusal", "transcript",
                                "function", "custom", "name", "arguments", "input"});

bool among(string_view key, std::span<const string_view> keys) {
    return std::ranges::find(keys, key) != keys.end();
}

/// The bytes of the words that a member holds: the same for a whole and for all its pieces, each
/// of which has a frame of its own.
std::size_t word_bytes(string_view value) {
    std::size_t bytes = 0;
    if (value.starts_with('"')) return value.size() - 2;
    for_each_element(value, [&bytes](string_view one) { bytes += word_bytes(one); });
    if (!value.starts_with('{')) return bytes;
    json::Cursor in(value);
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        string_view member = in.value();
        const bool object = (key == "arguments" || key == "input") && member.starts_with('{');
        if (among(key, kWordKeys)) bytes += object ? member.size() : word_bytes(member);
    }
    return bytes;
}

struct Reason {
    string_view theirs;
    string_view openai;
};
constexpr auto kReasons = std::to_array<Reason>({
    {"\"model_length\"", "\"length\""},
    {"\"eos\"", "\"stop\""},
    {"\"eos_token\"", "\"stop\""},
    {"\"stop_sequence\"", "\"stop\""},
});

/// Appends what stands between the quotes of a text, or of the texts that thinking is a list of.
/// Escapes stay as they are: a character may begin in this text and end in the next.
void append_texts(std::string& out, string_view parts) {
    if (parts.starts_with('"')) out += parts.substr(1, parts.size() - 2);
    for_each_element(parts, [&out](string_view part) {
        if (string_view text = json::member(part, "text"); text.starts_with('"'))
            out += text.substr(1, text.size() - 2);
    });
}

}  // namespace

bool Payload::read(string_view text) {
    json::Cursor in(text);
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        if (key == "choices" && in.peek() == '[') {
            in.enter_array();
            while (in.next_element()) choice(in);
            continue;
        }
        string_view value = in.value();
        if (key == "id")
            id = value;
        else if (key == "created")
            created = value;
        else if (key == "model")
            model = value;
        else if (key == "error" && given(value))
            error = value;
        else if (key == "usage")
            (given(value) ? usage : null_usage) = value;
        else if (key == "x_groq" && given(value))
            x_groq = value;
    }
    return in.complete();
}

void Payload::choice(json::Cursor& in) {
    ++choices;
    string_view key;
    if (in.peek() != '{') {
        in.skip();
        return;
    }
    in.enter_object();
    std::uint64_t index = 0;
    string_view reason;
    Said said;
    while (in.next_member(key)) {
        if ((key == "delta" || key == "message") && in.peek() == '{') {
            message(in, said);
            continue;
        }
        string_view value = in.value();
        if (key == "index")
            index = json::count(value).value_or(0);
        else if (key == "text")
            said.content = note_content(value) || said.content;
        else if (key == "error" && given(value) && error.empty())
            error = value;
        else if (key == "finish_reason" && given(value))
            reason = value;
    }
    content_bytes += said.thinking;
    if (said.content) speaking.add(index);
    if (said.calls) calling.add(index);
    if (reason.empty()) return;
    finish_reason = reason;
    ends.push_back({index, reason});
}

void Payload::message(json::Cursor& in, Said& said) {
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        string_view value = in.value();
        if (key == "content" && value.starts_with('[')) part_lists.push_back(value);
        if (among(key, kContentKeys)) {
            said.content = note_content(value) || said.content;
        } else if (among(key, kThinkingKeys)) {
            said.thinking = std::max(said.thinking, word_bytes(value));
            const std::size_t before = content_bytes;
            said.content = note_content(value) || said.content;
            content_bytes = before;
        }
        if (key != "tool_calls" || !value.starts_with('[')) continue;
        calls = true;
        said.calls = said.calls || !json::blank(value);
    }
}

bool Payload::note_content(string_view value) {
    if (content_size(value) == 0) return false;
    content = true;
    content_bytes += word_bytes(value);
    if (first_text.empty() && value.front() == '"') first_text = value;
    return true;
}

string_view proper_reason(string_view reason, bool calls) {
    const auto known = std::ranges::find(kReasons, reason, &Reason::theirs);
    const string_view openai = known == kReasons.end() ? reason : known->openai;
    if (calls && openai == "\"stop\"") return "\"tool_calls\"";
    return known == kReasons.end() ? string_view() : openai;
}

std::size_t content_size(string_view value) {
    const bool holds = !json::blank(value) && string_view("\"[{").find(value.front()) != value.npos;
    return holds ? value.size() - 2 : 0;
}

Failure malformed(std::string detail) {
    return {.outcome = Outcome::malformed,
            .scope = Scope::target,
            .detail = std::move(detail),
            .status = 200};
}

std::optional<Failure> empty_answer(string_view finish_reason) {
    if (finish_reason == "\"length\"" || finish_reason == "\"model_length\"") return std::nullopt;
    if (finish_reason != "\"content_filter\"")
        return malformed("an empty completion: no text, no tool call");
    return Failure{.outcome = Outcome::content_filtered,
                   .scope = Scope::request,
                   .detail = "the answer was withheld by the provider's content filter",
                   .status = 200};
}

std::string flatten_parts(string_view parts) {
    std::string text, thinking;
    json::Cursor in(parts);
    in.enter_array();
    while (in.next_element()) {
        string_view part = in.value();
        string_view type = json::member(part, "type");
        if (type == "\"thinking\"")
            append_texts(thinking, json::member(part, "thinking"));
        else if (type == "\"text\"")
            append_texts(text, json::member(part, "text"));
        else
            append_texts(text, part);
    }
    std::string out = '"' + text + '"';
    if (!thinking.empty()) out += fmt::format(R"(,"reasoning_content":"{}")", thinking);
    return out;
}

}  // namespace llm
