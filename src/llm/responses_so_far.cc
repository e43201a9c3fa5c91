#include "llm/responses_so_far.h"

#include "llm/json.h"
#include "llm/splice.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::uint64_t number(string_view event, string_view key) {
    return json::count(json::member(event, key)).value_or(0);
}

/// Sets a member of the object that `splice` changes.
void set(Splice& splice, string_view object, string_view key, std::string value) {
    if (string_view old = json::member(object, key); !old.empty())
        splice.replace(old, std::move(value));
    else
        splice.insert_first(object, fmt::format("\"{}\":{}", key, value));
}

template <class Texts>
std::string list(const Texts& texts) {
    std::string out;
    for (const auto& [index, part] : texts) {
        const bool refused = part.type == "refusal";
        const bool words = part.type == "output_text";
        out += fmt::format(R"({}{{"type":"{}",{}"{}":"{}"}})", out.empty() ? "" : ",", part.type,
                           words ? R"("annotations":[],"logprobs":[],)" : "",
                           refused ? "refusal" : "text", part.text);
    }
    return '[' + out + ']';
}

}  // namespace

void ResponsesSoFar::take(string_view type, string_view event) {
    if (type == "response.output_item.added" || type == "response.output_item.done") {
        const string_view item = json::member(event, "item");
        kept_ += item.size();
        if (!item.starts_with('{') || kept_ > kMost) return;
        items_[number(event, "output_index")] = {.json = std::string(item),
                                                 .open = type.ends_with(".added")};
        return;
    }
    if (!type.ends_with(".delta")) return;
    const auto item = items_.find(number(event, "output_index"));
    if (item != items_.end()) add(type, event, item->second);
}

void ResponsesSoFar::add(string_view type, string_view event, Item& item) {
    string_view delta = json::member(event, "delta");
    if (!delta.starts_with('"')) return;
    delta = delta.substr(1, delta.size() - 2);
    kept_ += delta.size();
    if (kept_ > kMost) return;
    const auto grow = [&](std::map<std::uint64_t, Text>& texts, string_view index,
                          string_view name) {
        Text& text = texts[number(event, index)];
        text.type = name;
        text.text += delta;
    };
    if (type == "response.output_text.delta")
        grow(item.content, "content_index", "output_text");
    else if (type == "response.refusal.delta")
        grow(item.content, "content_index", "refusal");
    else if (type == "response.reasoning_text.delta")
        grow(item.content, "content_index", "reasoning_text");
    else if (type == "response.reasoning_summary_text.delta")
        grow(item.summary, "summary_index", "summary_text");
    else
        item.said += delta;
}

std::string ResponsesSoFar::json(const Item& item) {
    if (!item.open) return item.json;
    Splice splice(item.json);
    const string_view object = item.json;
    if (!json::member(object, "status").empty()) set(splice, object, "status", "\"incomplete\"");
    if (!item.content.empty()) set(splice, object, "content", list(item.content));
    if (!item.summary.empty()) set(splice, object, "summary", list(item.summary));
    const bool free_text = json::member(object, "type") == "\"custom_tool_call\"";
    if (!item.said.empty())
        set(splice, object, free_text ? "input" : "arguments", '"' + item.said + '"');
    return splice.apply();
}

std::string ResponsesSoFar::output() const {
    std::string out;
    for (const auto& [index, item] : items_) out += (out.empty() ? "" : ",") + json(item);
    return '[' + out + ']';
}

}  // namespace llm
