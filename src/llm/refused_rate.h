#pragma once

#include "base/provider.h"
#include "llm/rate.h"
#include "llm/verdict.h"

#include <optional>
#include <string_view>
#include <vector>

namespace llm {

/// Failure::rate, for a failure that is otherwise read to its end. Words come first, then the
/// only header that shows an empty bucket.
std::optional<Rate> refused_rate(base::Provider provider, const Case& refusal,
                                 const Failure& failure);

/// The quotas that the headers of a 429 show as used up.
std::vector<Rate> empty_rates(base::Provider provider, const Case& refusal);

/// The window of a coding plan that is used up, as Rate has it: "usage limit reached for
/// 5 hour", "weekly limit". Empty where the words name none.
std::string_view plan_window(const Case& refusal);

}  // namespace llm
