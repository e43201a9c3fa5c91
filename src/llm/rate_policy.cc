#include "llm/rate_policy.h"

#include "base/units.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// Moves `text` past the next part before `mark`.
string_view take_part(string_view& text, char mark) {
    const std::size_t end = text.find(mark);
    const string_view part = base::trim(text.substr(0, end));
    text = end == text.npos ? string_view() : text.substr(end + 1);
    return part;
}

string_view unquoted(string_view text) {
    const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    return quoted ? text.substr(1, text.size() - 2) : text;
}

PolicyItem read_item(string_view text) {
    PolicyItem item;
    item.head = unquoted(take_part(text, ';'));
    while (!text.empty()) {
        const string_view parameter = take_part(text, ';');
        if (parameter.size() < 3 || parameter[1] != '=') continue;
        const string_view value = parameter.substr(2);
        switch (parameter[0]) {
            case 'q': item.quota = value; break;
            case 'w': item.window = value; break;
            case 'r': item.remaining = value; break;
            case 't': item.reset = value; break;
            default: break;
        }
    }
    return item;
}

}  // namespace

std::optional<PolicyItem> policy_item(string_view list, string_view head) {
    std::optional<PolicyItem> only;
    while (!list.empty()) {
        const PolicyItem item = read_item(take_part(list, ','));
        if (!head.empty() && item.head == head && !item.window.empty()) return item;
        if (head.empty() && only) return std::nullopt;
        if (head.empty()) only = item;
    }
    return only;
}

std::string window_of_seconds(string_view seconds) {
    std::uint32_t count = 0;
    const auto [end, error] =
        std::from_chars(seconds.data(), seconds.data() + seconds.size(), count);
    if (error != std::errc() || end != seconds.data() + seconds.size() || count == 0) return {};
    switch (count) {
        case 60: return "minute";
        case 3600: return "hour";
        case 5 * 3600: return "5h";
        case 86400: return "day";
        case 7 * 86400: return "7d";
        default: return fmt::format("{}s", count);
    }
}

}  // namespace llm
