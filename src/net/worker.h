#pragma once

#include "net/asio.h"
#include "net/deadlines.h"

#include <functional>
#include <list>
#include <string_view>

namespace net {

/// The coroutines a worker has started and not yet finished. A task that throws
/// is logged once: that is a bug. Used on the worker's thread only.
class TaskGroup {
public:
    explicit TaskGroup(Executor executor) : executor_(executor), idle_(executor) {}

    /// `cancel` is called by cancel_all(); it must make the task return soon.
    void spawn(Task<> task, std::function<void()> cancel);
    /// For good: what is spawned later, when a cancelled task cleans up, is cancelled as it begins.
    void cancel_all();
    std::size_t size() const { return running_.size(); }
    /// Returns when no task is left or at `deadline`.
    Task<> wait_empty(base::Time deadline);

private:
    Executor executor_;
    Timer idle_;
    std::list<std::function<void()>> running_;
    bool cancelled_ = false;
};

/// One thread's world: its loop, its time limits, its tasks. Nothing in it is shared.
struct Worker {
    asio::io_context loop{1};
    Deadlines deadlines{loop.get_executor()};
    TaskGroup tasks{loop.get_executor()};
    std::size_t number = 0;
};

/// Sleeps until `until`.
Task<> sleep_until(Executor executor, base::Time until);

}  // namespace net
