#include "device/rate_meter.h"

namespace device {

void RateMeter::add(std::uint64_t done, base::Time now) {
    // The first report after nothing tells what an earlier download had left.
    if (!samples_.empty() && samples_.back().second == 0 && done > 0) samples_.clear();
    if (!samples_.empty() && done < samples_.back().second) samples_.clear();
    // The last sample moves until it is a step away from the one before.
    if (samples_.size() > 1 && now - samples_[samples_.size() - 2].first < kStep)
        samples_.back() = {now, done};
    else
        samples_.emplace_back(now, done);
    while (samples_.size() > 2 && now - samples_[1].first >= kWindow) samples_.pop_front();
}

double RateMeter::per_second() const {
    if (samples_.size() < 2) return 0;
    const std::chrono::duration<double> span = samples_.back().first - samples_.front().first;
    if (span.count() <= 0) return 0;
    return static_cast<double>(samples_.back().second - samples_.front().second) / span.count();
}

}  // namespace device
