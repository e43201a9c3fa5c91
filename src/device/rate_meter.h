#pragma once

#include "base/clock.h"

#include <cstdint>
#include <deque>
#include <utility>

namespace device {

/// Bytes a second of a download over its last moments. What was there before it began (it was
/// resumed) does not count.
class RateMeter {
public:
    void add(std::uint64_t done, base::Time now);
    double per_second() const;

private:
    static constexpr base::Duration kWindow{15'000};
    static constexpr base::Duration kStep{250};

    std::deque<std::pair<base::Time, std::uint64_t>> samples_;  ///< at most kWindow / kStep + 2
};

}  // namespace device
