#pragma once

#include "base/result.h"
#include "config/catalog.h"
#include "route/rehearsal_traffic.h"

#include <string_view>

namespace route {

/// A CSV log. Columns are found by their names in the first line: `time` or `second` (RFC 3339,
/// epoch seconds or milliseconds), `alias`, `prompt_tokens` or `input_tokens`,
/// `completion_tokens` or `output_tokens`, and where they are there `max_tokens` and `calls` (a
/// line stands for so many equal requests). Others are ignored. Errors begin with FILE:LINE.
base::Result<Traffic> read_log(std::string_view text, std::string_view file,
                               const config::Catalog& catalog);

}  // namespace route
