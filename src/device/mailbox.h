#pragma once

#include "net/upstream.h"

#include <boost/asio/post.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace device {

/// The way to an owner's thread, from any other. Leases hold it, so it may outlive the owner.
class Mailbox {
public:
    explicit Mailbox(net::asio::io_context& loop) : loop_(&loop) {}

    /// False once the owner has ended.
    template <class Message>
    bool post(Message message) {
        const std::lock_guard lock(mutex_);
        if (loop_) net::asio::post(*loop_, std::move(message));
        return loop_ != nullptr;
    }
    /// Posts the last message.
    template <class Message>
    void close(Message message) {
        const std::lock_guard lock(mutex_);
        net::asio::post(*std::exchange(loop_, nullptr), std::move(message));
    }

private:
    std::mutex mutex_;
    net::asio::io_context* loop_;
};

/// An answer that an owner's thread owes to a task on another. The task waits on a timer of its
/// own; all but answer() is for its thread.
template <class T>
class Errand {
public:
    explicit Errand(net::Executor executor) : executor_(executor) {}

    /// From the owner's thread, at most once.
    static void answer(const std::shared_ptr<Errand>& errand, T value) {
        net::asio::post(errand->executor_, [errand, held = std::move(value)]() mutable {
            errand->value_ = std::move(held);
            if (errand->wake_) errand->wake_->cancel();
        });
    }

    /// Until there is an answer or `until`, or abort.
    static net::Task<> wait(std::shared_ptr<Errand> errand, base::Time until,
                            net::AbortHandle& abort) {
        if (errand->value_ || abort.aborted()) co_return;
        net::Timer wake(errand->executor_, until);
        errand->wake_ = &wake;
        abort.attach(&wake);
        co_await wake.async_wait(net::kAwait);
        abort.attach(nullptr);
        errand->wake_ = nullptr;
    }
    std::optional<T>& value() { return value_; }

private:
    net::Executor executor_;
    net::Timer* wake_ = nullptr;  ///< null while nobody waits
    std::optional<T> value_;
};

}  // namespace device
