#pragma once

#include "base/result.h"

#include <boost/json.hpp>

#include <set>
#include <string>

namespace llm {

/// The keywords that stand for ours in a schema that has been prepared.
inline constexpr char kStepsKeyword[] = "freeway-steps";      ///< what one look at it costs
inline constexpr char kUniqueKeyword[] = "freeway-unique";    ///< before `uniqueItems`
inline constexpr char kPatternKeyword[] = "freeway-pattern";  ///< instead of `pattern`
inline constexpr char kIntegerKeyword[] = "freeway-integer";  ///< beside `number`: only whole ones
inline constexpr char kMultipleKeyword[] = "freeway-multiple";  ///< instead of `multipleOf`

/// Makes a client's schema safe to compile and to ask: refuses (bad_input) one that is too
/// large, reaches outside itself or refers to itself without going into the value, and puts
/// our keywords into every schema in it. Later drafts' `prefixItems` become draft 7's lists.
/// `names` receives the properties that it names.
base::Result<void> prepare_schema(boost::json::value& schema, std::set<std::string>& names);

}  // namespace llm
