#include "net/idle_connections.h"

#include <algorithm>
#include <utility>

namespace net {
namespace {

constexpr std::size_t kMaxEndpoints = 256;
/// Before the end that a peer states, or half of its time where that is shorter.
constexpr base::Duration kMargin{1'000};

}  // namespace

IdleConnections::IdleConnections(Deadlines& deadlines, std::size_t most_each,
                                 base::Duration most_time)
    : most_each_(most_each), most_time_(most_time), sweep_(deadlines, [this] { sweep(); }) {}

std::unique_ptr<Stream> IdleConnections::take(const std::string& key) {
    const auto found = idle_.find(key);
    if (found == idle_.end()) return nullptr;
    const base::Time now = base::Clock::now();
    while (!found->second.empty()) {
        Idle last = std::move(found->second.back());
        found->second.pop_back();
        if (last.until > now && last.stream->quiet()) return std::move(last.stream);
    }
    return nullptr;
}

void IdleConnections::give(const std::string& key, std::unique_ptr<Stream> stream,
                           std::optional<base::Duration> stated) {
    if (idle_.size() >= kMaxEndpoints && !idle_.contains(key)) return;
    base::Duration time = most_time_;
    if (stated) time = std::min(time, *stated - std::min(kMargin, *stated / 2));
    if (time <= base::Duration(0)) return;
    auto& connections = idle_[key];
    if (connections.size() >= most_each_) connections.pop_front();
    const base::Time now = base::Clock::now();
    connections.push_back({std::move(stream), now + time});
    if (!std::exchange(sweeping_, true)) sweep_.set(now + most_time_);
}

std::size_t IdleConnections::count() const {
    std::size_t count = 0;
    for (const auto& [key, connections] : idle_) count += connections.size();
    return count;
}

void IdleConnections::sweep() {
    const base::Time now = base::Clock::now();
    for (auto& [key, connections] : idle_)
        std::erase_if(connections, [now](const Idle& one) { return one.until <= now; });
    std::erase_if(idle_, [](const auto& entry) { return entry.second.empty(); });
    sweeping_ = !idle_.empty();
    if (sweeping_) sweep_.set(now + most_time_ / 2);
}

}  // namespace net
