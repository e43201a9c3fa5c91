#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace admin {

/// `%2F` as `/`. nullopt: it holds a control character.
std::optional<std::string> percent_decode(std::string_view text);

/// The member of a query (`a=1&model=x`), decoded; empty: it is not there or can't be read.
std::string query_member(std::string_view query, std::string_view name);

}  // namespace admin
