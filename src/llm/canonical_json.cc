#include "llm/canonical_json.h"

#include "llm/json.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace llm {
namespace {

using std::string_view;

void append_text(std::string& out, string_view quoted) {
    if (quoted.find('\\') == quoted.npos)
        out += quoted;
    else
        out += json::quote(json::text(quoted).value_or(""));
}

void append_array(std::string& out, string_view array) {
    json::Cursor in(array);
    in.enter_array();
    out += '[';
    bool first = true;
    while (in.next_element()) {
        if (!std::exchange(first, false)) out += ',';
        append_canonical(out, in.value());
    }
    out += ']';
}

}  // namespace

void append_canonical(std::string& out, string_view json) {
    switch (json.empty() ? '\0' : json.front()) {
        case '{': return append_canonical_without(out, json, {});
        case '[': return append_array(out, json);
        case '"': return append_text(out, json);
        default: out += json;
    }
}

void append_canonical_without(std::string& out, string_view object,
                              std::span<const string_view> left_out) {
    std::vector<std::pair<std::string, string_view>> members;
    json::Cursor in(object);
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        std::string name = json::unescape(key);
        string_view value = in.value();
        if (std::ranges::find(left_out, name) == left_out.end())
            members.emplace_back(std::move(name), value);
    }
    // Equal keys stay in their order: the later value stands later in the text.
    std::ranges::sort(members, {}, [](const auto& member) {
        return std::pair(string_view(member.first), member.second.data());
    });
    out += '{';
    for (const auto& [name, value] : members) {
        if (&name != &members.front().first) out += ',';
        out += json::quote(name);
        out += ':';
        append_canonical(out, value);
    }
    out += '}';
}

}  // namespace llm
