#include "gateway/waiting_line.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <iterator>

namespace gateway {

WaitingLine::Place::Place(WaitingLine& line, const std::string& alias, net::Executor executor)
    : line_(line), alias_(alias), wake_(std::make_shared<Wake>(executor)) {
    auto& waiters = line_.lines_[alias_].waiters;
    at_ = waiters.insert(waiters.end(), wake_);
    ++line_.waiting_;
}

WaitingLine::Place::~Place() {
    const std::lock_guard lock(line_.mutex_);
    const auto found = line_.lines_.find(alias_);
    Line& line = found->second;
    const bool was_next = at_ == line.waiters.begin();
    line.waiters.erase(at_);
    --line_.waiting_;
    if (line.waiters.empty()) {
        wake_newcomers(line);
        line_.lines_.erase(found);
    } else if (was_next) {
        wake(line.waiters.front());
    }
}

void WaitingLine::Place::looked_in_vain() {
    const std::lock_guard lock(line_.mutex_);
    Line& line = line_.lines_.at(alias_);
    if (at_ == line.waiters.begin()) wake_newcomers(line);
}

void WaitingLine::wake(const std::shared_ptr<Wake>& next) {
    net::asio::post(next->timer.get_executor(), [next] {
        next->woken = true;
        next->timer.cancel();
    });
}

void WaitingLine::wake_newcomers(Line& line) {
    for (const auto& newcomer : std::exchange(line.newcomers, {})) wake(newcomer);
}

void WaitingLine::something_ended() {
    if (waiting_.load(std::memory_order_relaxed) == 0) return;
    const std::lock_guard lock(mutex_);
    for (const auto& [alias, line] : lines_) wake(line.waiters.front());
}

std::size_t WaitingLine::Place::position() const {
    const std::lock_guard lock(line_.mutex_);
    const auto& waiters = line_.lines_.at(alias_).waiters;
    return 1 +
           static_cast<std::size_t>(std::distance(waiters.begin(), decltype(waiters.begin())(at_)));
}

std::size_t WaitingLine::Place::length() const {
    const std::lock_guard lock(line_.mutex_);
    return line_.lines_.at(alias_).waiters.size();
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

std::shared_ptr<WaitingLine::Wake> WaitingLine::go_first(const std::string& alias,
                                                         net::Executor executor) {
    if (waiting_.load(std::memory_order_relaxed) == 0) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(alias);
    if (found == lines_.end()) return nullptr;
    wake(found->second.waiters.front());
    return found->second.newcomers.emplace_back(std::make_shared<Wake>(executor));
}

}  // namespace gateway
