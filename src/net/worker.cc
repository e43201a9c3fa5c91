#include "net/worker.h"

#include "base/log.h"

namespace net {

void TaskGroup::spawn(Task<> task, std::function<void()> cancel) {
    const auto place = running_.insert(running_.end(), std::move(cancel));
    if (cancelled_) (*place)();
    asio::co_spawn(executor_, std::move(task), [this, place](const std::exception_ptr& failure) {
        if (failure) {
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception& error) {
                base::log::write(base::log::Level::error, "a task ended with an exception",
                                 {{"what", error.what()}});
            }
        }
        running_.erase(place);
        if (running_.empty()) idle_.cancel();
    });
}

void TaskGroup::cancel_all() {
    cancelled_ = true;
    for (const auto& cancel : running_) cancel();
}

Task<> TaskGroup::wait_empty(base::Time deadline) {
    while (!running_.empty() && base::Clock::now() < deadline) {
        idle_.expires_at(deadline);
        co_await idle_.async_wait(kAwait);
    }
}

Task<> sleep_until(Executor executor, base::Time until) {
    Timer timer(executor, until);
    co_await timer.async_wait(kAwait);
}

}  // namespace net
