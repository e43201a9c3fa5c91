#pragma once

#include "net/worker.h"

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace gateway {

/// Requests that wait for quota to return, first come first served for each alias. Shared by
/// all workers; at most kMost wait at a time.
class WaitingLine {
public:
    static constexpr std::size_t kMost = 1000;

    /// A place in the line; destroying it leaves the line and wakes who is next. Belongs to one
    /// request and its worker's thread.
    class Place {
    public:
        ~Place();
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        std::size_t position() const;  ///< 1: next
        std::size_t length() const;
        /// What the request waits on; it is cancelled when the request becomes the next one.
        net::Timer& timer() { return wake_->timer; }
        /// Whether it was woken since this was last asked: something may have come free.
        bool woken() { return std::exchange(wake_->woken, false); }

    private:
        friend class WaitingLine;
        struct Wake {
            explicit Wake(net::Executor executor) : timer(executor) {}
            net::Timer timer;
            bool woken = false;
        };
        using Waiters = std::list<std::shared_ptr<Wake>>;
        Place(WaitingLine& line, const std::string& alias, net::Executor executor);
        WaitingLine& line_;
        std::string alias_;
        std::shared_ptr<Wake> wake_;
        Waiters::iterator at_;
    };

    bool busy(const std::string& alias) const;
    /// A call has ended: whoever is next somewhere may find what it gave back. Costs nothing
    /// while nobody waits.
    void something_ended();
    /// nullptr: too many wait already.
    std::unique_ptr<Place> join(const std::string& alias, net::Executor executor);

private:
    mutable std::mutex mutex_;
    std::map<std::string, Place::Waiters> lines_;
    static void wake(const std::shared_ptr<Place::Wake>& next);
    std::atomic<std::size_t> waiting_{0};
};

}  // namespace gateway
