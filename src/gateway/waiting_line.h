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
#include <vector>

namespace gateway {

/// Requests that wait for quota to return, first come first served for each alias. Shared by
/// all workers; at most kMost wait at a time.
class WaitingLine {
public:
    static constexpr std::size_t kMost = 1000;

    /// How a request is told to look again, from any thread.
    struct Wake {
        explicit Wake(net::Executor executor) : timer(executor) {}
        net::Timer timer;  ///< what the request waits on; cancelled as soon as it is woken
        bool woken = false;
    };

    /// A place in the line; destroying it leaves the line and wakes who is next. Belongs to one
    /// request and its worker's thread.
    class Place {
    public:
        ~Place();
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        std::size_t position() const;  ///< 1: next
        std::size_t length() const;
        /// It is cancelled when the request becomes the next one.
        net::Timer& timer() { return wake_->timer; }
        /// Whether it was woken since this was last asked: something may have come free.
        bool woken() { return std::exchange(wake_->woken, false); }
        /// There was nothing for it: whoever let it go first may look now.
        void looked_in_vain();

    private:
        friend class WaitingLine;
        Place(WaitingLine& line, const std::string& alias, net::Executor executor);
        WaitingLine& line_;
        std::string alias_;
        std::shared_ptr<Wake> wake_;
        std::list<std::shared_ptr<Wake>>::iterator at_;
    };

    bool busy(const std::string& alias) const;
    /// A call has ended: whoever is next somewhere may find what it gave back. Costs nothing
    /// while nobody waits.
    void something_ended();
    /// nullptr: too many wait already.
    std::unique_ptr<Place> join(const std::string& alias, net::Executor executor);
    /// For one who does not wait and would pass those who do: has the next in line look first.
    /// What is returned wakes when that has happened; nullptr: nobody waits.
    std::shared_ptr<Wake> go_first(const std::string& alias, net::Executor executor);

private:
    struct Line {
        std::list<std::shared_ptr<Wake>> waiters;        ///< never empty
        std::vector<std::shared_ptr<Wake>> newcomers{};  ///< let the first of them look first
    };
    static void wake(const std::shared_ptr<Wake>& next);
    static void wake_newcomers(Line& line);
    mutable std::mutex mutex_;
    std::map<std::string, Line> lines_;
    std::atomic<std::size_t> waiting_{0};
};

}  // namespace gateway
