#include "admin/percent.h"

#include "base/percent.h"

#include <algorithm>

namespace admin {

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out = base::percent_decoded(text);
    const bool control = std::ranges::any_of(out, [](unsigned char c) { return c < 0x20; });
    return control ? std::nullopt : std::optional(std::move(out));
}

std::string query_member(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query = end == query.npos ? std::string_view() : query.substr(end + 1);
        const std::size_t equals = pair.find('=');
        if (equals == pair.npos || pair.substr(0, equals) != name) continue;
        return percent_decode(pair.substr(equals + 1)).value_or("");
    }
    return "";
}

}  // namespace admin
