#include "net/deadlines.h"

namespace net {

void Deadlines::Alarm::set(base::Time due) {
    due_ = due;
    if (queued_ && place_->first <= due) return;
    unqueue();
    owner_.enqueue(*this);
}

void Deadlines::Alarm::unqueue() {
    if (!queued_) return;
    owner_.queue_.erase(place_);
    queued_ = false;
}

void Deadlines::enqueue(Alarm& alarm) {
    if (alarm.due_ == base::Time::max()) return;
    alarm.place_ = queue_.emplace(alarm.due_, &alarm);
    alarm.queued_ = true;
    if (alarm.due_ < armed_) arm();
}

void Deadlines::arm() {
    armed_ = queue_.empty() ? base::Time::max() : queue_.begin()->first;
    if (queue_.empty()) return;
    timer_.expires_at(armed_);
    timer_.async_wait([this](const error_code& error) {
        if (!error) expire();
    });
}

void Deadlines::expire() {
    const base::Time now = base::Clock::now();
    while (!queue_.empty() && queue_.begin()->first <= now) {
        Alarm& alarm = *queue_.begin()->second;
        alarm.unqueue();
        if (alarm.due_ > now) {
            enqueue(alarm);
            continue;
        }
        alarm.due_ = base::Time::max();
        alarm.ring_();  // may destroy the alarm
    }
    arm();
}

}  // namespace net
