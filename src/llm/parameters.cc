#include "llm/parameters.h"

#include "llm/fields.h"
#include "llm/json.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {

using std::string_view;

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

bool Parameters::dropped(string_view key) const {
    return std::ranges::find(upstream_.drop, key) != upstream_.drop.end();
}

bool Parameters::was_used(string_view key) const {
    return std::ranges::find(used_, key) != used_.end();
}

string_view Parameters::get(string_view key) {
    if (dropped(key)) return {};
    used(key);
    if (const Extra* member = chat_.find(key); member && member->json != "null")
        return member->json;
    auto extra = std::ranges::find(upstream_.defaults, key, &Extra::key);
    return extra == upstream_.defaults.end() ? string_view() : string_view(extra->json);
}

std::optional<double> Parameters::number(string_view key) { return read(key, json::number); }

std::string Parameters::text(string_view key) { return json::text(get(key)).value_or(""); }

std::optional<std::uint64_t> Parameters::max_tokens() {
    std::optional<std::uint64_t> newer = read("max_completion_tokens", json::count);
    std::optional<std::uint64_t> older = read("max_tokens", json::count);
    bool client_older = chat_.find("max_tokens") && !chat_.find("max_completion_tokens");
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

bool Parameters::configured(string_view key) const {
    return std::ranges::find(upstream_.defaults, key, &Extra::key) != upstream_.defaults.end() ||
           std::ranges::find(upstream_.overrides, key, &Extra::key) != upstream_.overrides.end();
}

std::vector<const Extra*> Parameters::natives() {
    std::vector<const Extra*> out;
    for (const Extra& extra : chat_.parameters) {
        if (std::ranges::find(configured_, extra.key) != configured_.end()) continue;
        const auto& allow = upstream_.allow;
        const bool let_through = std::ranges::find(allow, extra.key) != allow.end();
        if (!let_through || was_used(extra.key) || dropped(extra.key)) continue;
        out.push_back(&extra);
        used(extra.key);
    }
    for (const Extra& extra : upstream_.defaults)
        if (!was_used(extra.key) && !dropped(extra.key)) out.push_back(&extra);
    for (const Extra& extra : upstream_.overrides) out.push_back(&extra);
    return out;
}

std::vector<std::string> Parameters::changes() const {
    std::vector<std::string> out;
    for (const Extra& extra : chat_.parameters)
        if (!was_used(extra.key)) note(out, fmt::format("removed {}", extra.key));
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

}  // namespace llm
