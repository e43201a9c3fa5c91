#pragma once

#include "base/clock.h"
#include "llm/outcome.h"

#include <string_view>

namespace route {

/// What follows from an outcome: one row a kind, nowhere else decided.
struct Consequence {
    bool move_on;          ///< try the next candidate; else the client gets this answer now
    base::Duration bench;  ///< how long where the upstream named no return; 0: not benched
    base::Duration
        bench_most;         ///< a repeated guess doubles up to this: a guess never becomes a day
    bool worth_waiting;     ///< the same target may serve a moment later
    bool quota;             ///< counts as "all is quota" when everything fails
    int status;             ///< HTTP status to the client if this is the answer
    std::string_view type;  ///< error.type
    std::string_view code;  ///< error.code
};

const Consequence& consequence(llm::Outcome outcome);

}  // namespace route
