#pragma once

#include <boost/json.hpp>

#include <string>
#include <vector>

/// The limits that GET /v1/quota lists, as people read them. Pure.
namespace admin {

/// What a bar is drawn with.
enum class Drawing {
    plain,   ///< `####......`
    blocks,  ///< `████░░░░░░`, UTF-8
};

/// Ten cells, as many filled as `share` (0 to 1) is left; one at least where anything is.
std::string bar(double share, Drawing drawing);

/// `1,234,567`, `29.73`, `0.0812`: rounded down, so that no more is shown than there is.
std::string figure(double value);

/// Cells of a table with its heading: limits in groups by account or provider, each group
/// under a row with its name alone. `limits`: the member `data` of the answer.
std::vector<std::vector<std::string>> quota_rows(const boost::json::array& limits, Drawing drawing);

}  // namespace admin
