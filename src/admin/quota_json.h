#pragma once

#include "gateway/errors.h"
#include "quota/ledger.h"

#include <boost/json.hpp>

#include <expected>
#include <string>
#include <string_view>

/// The ledger as JSON, both ways. Pure: no exchange, no clock.
namespace admin {

/// One limit as GET /v1/quota shows it. Every number is finite; what is unknown is null.
boost::json::object to_json(const quota::Line& line, base::Now now);

/// Whether `what` means the line: its key, the name of its scope, an alias of it, or `all`.
bool concerns(const quota::Line& line, std::string_view what);

/// What an operator asks for.
struct QuotaOrder {
    std::string what;  ///< as in concerns(), never empty
    quota::Ledger::Setting setting;
};
using ReadOrder = std::expected<QuotaOrder, gateway::ClientError>;
/// Body of POST /v1/quota/reset: `{"what": …}`. A 400 names the member and its cure.
ReadOrder read_reset(std::string_view body);
/// Body of POST /v1/quota/set: `what` with exactly one of `used` and `remaining`, 0 to 1e15.
ReadOrder read_setting(std::string_view body);

}  // namespace admin
