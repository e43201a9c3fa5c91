#include "gateway/gateway.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

void LearnedRejects::learn(const std::string& target, const std::string& member) {
    const std::lock_guard lock(mutex_);
    if (members_.size() >= kMostTargets && !members_.contains(target)) return;
    auto& known = members_[target];
    if (known.size() < kMostMembers && std::find(known.begin(), known.end(), member) == known.end())
        known.push_back(member);
    any_ = true;
}

std::vector<std::string> LearnedRejects::of(const std::string& target) const {
    if (!any_.load(std::memory_order_relaxed)) return {};
    const std::lock_guard lock(mutex_);
    const auto found = members_.find(target);
    return found == members_.end() ? std::vector<std::string>() : found->second;
}

bool InFlight::take(const config::Target& target, std::optional<Slot>& slot) {
    if (!target.max_parallel_requests) return true;
    const std::lock_guard lock(mutex_);
    std::atomic<int>& count = counts_[target.id];
    if (count.load() >= *target.max_parallel_requests) return false;
    count.fetch_add(1);
    slot.emplace(&count);
    return true;
}

std::string Lane::next_id() { return fmt::format("req_{}{:x}{:06x}", id_prefix, worker.number, ++counter); }

}  // namespace gateway
