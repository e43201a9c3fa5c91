#pragma once

#include "base/clock.h"
#include "route/rehearsal.h"

#include <string>
#include <vector>

namespace app {

/// The same traffic, once for each routing.
struct Rehearsed {
    base::WallTime begin{};
    base::WallTime end{};  ///< of the last request
    std::vector<route::Report> reports;
};

/// For people: what was served by whom side by side, then limits and targets.
std::string rehearsal_text(const Rehearsed& rehearsed);
/// One JSON object, with a line break at its end.
std::string rehearsal_json(const Rehearsed& rehearsed);

}  // namespace app
