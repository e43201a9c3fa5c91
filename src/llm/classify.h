#pragma once

#include "base/provider.h"
#include "llm/http.h"
#include "llm/outcome.h"

namespace llm {

/// Reads a failing reply (status >= 300, or a 200 whose body is an error) the
/// way its provider means it: status, headers and text together decide, status
/// alone never does. Understands wrapped, flat, string and FastAPI error bodies
/// and HTML pages. `now` turns stated dates into time left. The detail holds the
/// upstream's message, at most 300 bytes, without organisation ids and keys.
Failure classify(base::Provider provider, const Reply& reply, base::WallTime now);

/// The same for an error object that arrived inside a 200 (body or stream
/// event); `error_json` is the whole event or body.
Failure classify_embedded(base::Provider provider, std::string_view error_json, base::WallTime now);

}  // namespace llm
