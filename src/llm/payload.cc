#include "llm/payload.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

bool given(string_view value) { return !value.empty() && value != "null"; }

constexpr auto kContentKeys =
    std::to_array<string_view>({"reasoning", "reasoning_content", "reasoning_details", "refusal",
                                "tool_calls", "function_call", "audio"});

/// Thinking comes as a list of texts again.
void append_texts(std::string& out, string_view parts) {
    if (std::optional<std::string> text = json::text(parts)) out += *text;
    if (!parts.starts_with('[')) return;
    json::Cursor in(parts);
    in.enter_array();
    while (in.next_element())
        if (std::optional<std::string> text = json::text(json::member(in.value(), "text")))
            out += *text;
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
    while (in.next_member(key)) {
        if ((key == "delta" || key == "message") && in.peek() == '{') {
            message(in);
            continue;
        }
        string_view value = in.value();
        if (key == "text")
            note_content(value);
        else if (key == "error" && given(value) && error.empty())
            error = value;
        else if (key == "finish_reason" && given(value)) {
            finish_reason = value;
            if (value == "\"model_length\"") finish_reasons.push_back(value);
        }
    }
}

void Payload::message(json::Cursor& in) {
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        string_view value = in.value();
        if (key == "content" && value.starts_with('[')) part_lists.push_back(value);
        if (key == "content" || std::ranges::find(kContentKeys, key) != kContentKeys.end())
            note_content(value);
        calls = calls || (key == "tool_calls" && value.starts_with('['));
    }
}

void Payload::note_content(string_view value) {
    const std::size_t size = content_size(value);
    if (size == 0) return;
    content = true;
    content_bytes += size;
    if (first_text.empty() && value.front() == '"') first_text = value;
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
    std::string out = json::quote(text);
    if (!thinking.empty()) out += fmt::format(R"(,"reasoning_content":{})", json::quote(thinking));
    return out;
}

}  // namespace llm
