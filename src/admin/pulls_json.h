#pragma once

#include "base/pulls.h"

#include <boost/json.hpp>

namespace admin {

/// Every pull: `{model, service, aliases, state, done_bytes, total_bytes, rate, eta_s, error,
/// text}`; what nobody knows is null, `eta_s` of a failed one is when it is tried again.
boost::json::array pulls_json(const base::Pulls* pulls, base::Time now);

}  // namespace admin
