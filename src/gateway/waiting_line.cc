#include "gateway/waiting_line.h"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace gateway {

WaitingLine::Place::Place(WaitingLine& line, const std::string& alias, net::Executor executor)
    : line_(line), alias_(alias), wake_(std::make_shared<Wake>(executor)) {
    Waiters& waiters = line_.lines_[alias_];
    at_ = waiters.insert(waiters.end(), wake_);
    ++line_.waiting_;
}

WaitingLine::Place::~Place() {
    const std::lock_guard lock(line_.mutex_);
    const auto found = line_.lines_.find(alias_);
    const bool was_next = at_ == found->second.begin();
    found->second.erase(at_);
    --line_.waiting_;
    if (found->second.empty()) {
        line_.lines_.erase(found);
    } else if (was_next) {
        wake(found->second.front());
    }
}

void WaitingLine::wake(const std::shared_ptr<Place::Wake>& next) {
    net::asio::post(next->timer.get_executor(), [next] {
        next->woken = true;
        next->timer.cancel();
    });
}

void WaitingLine::something_ended() {
    if (waiting_.load(std::memory_order_relaxed) == 0) return;
    const std::lock_guard lock(mutex_);
    for (const auto& [alias, waiters] : lines_) wake(waiters.front());
}

std::size_t WaitingLine::Place::position() const {
    const std::lock_guard lock(line_.mutex_);
    const Waiters& waiters = line_.lines_.at(alias_);
    return 1 +
           static_cast<std::size_t>(std::distance(waiters.begin(), Waiters::const_iterator(at_)));
}

std::size_t WaitingLine::Place::length() const {
    const std::lock_guard lock(line_.mutex_);
    return line_.lines_.at(alias_).size();
}

bool WaitingLine::busy(const std::string& alias) const {
    const std::lock_guard lock(mutex_);
    return lines_.contains(alias);
}

std::unique_ptr<WaitingLine::Place> WaitingLine::join(const std::string& alias,
                                                      net::Executor executor) {
    const std::lock_guard lock(mutex_);
    if (waiting_ >= kMost) return nullptr;
    return std::unique_ptr<Place>(new Place(*this, alias, executor));
}

}  // namespace gateway
