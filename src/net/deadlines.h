#pragma once

#include "base/clock.h"
#include "net/asio.h"

#include <functional>
#include <map>

namespace net {

/// All time limits of one worker behind one timer. Moving a limit later, which
/// is what every read of a long stream does, costs one store: the queue looks
/// again when the old instant comes. Owned by the worker, outlives its alarms;
/// used on its thread only.
class Deadlines {
public:
    explicit Deadlines(Executor executor) : timer_(executor) {}
    Deadlines(const Deadlines&) = delete;
    Deadlines& operator=(const Deadlines&) = delete;

    /// One limit. Destroying it forgets it.
    class Alarm {
    public:
        /// `ring` runs on the worker's thread, once for each set() that is passed.
        Alarm(Deadlines& owner, std::function<void()> ring)
            : owner_(owner), ring_(std::move(ring)) {}
        ~Alarm() { unqueue(); }
        Alarm(const Alarm&) = delete;
        Alarm& operator=(const Alarm&) = delete;

        void set(base::Time due);
        void clear() { due_ = base::Time::max(); }

    private:
        friend class Deadlines;
        using Queue = std::multimap<base::Time, Alarm*>;
        void unqueue();

        Deadlines& owner_;
        std::function<void()> ring_;
        base::Time due_ = base::Time::max();
        bool queued_ = false;
        Queue::iterator place_;
    };

private:
    void enqueue(Alarm& alarm);
    void arm();
    void expire();

    Timer timer_;
    Alarm::Queue queue_;
    base::Time armed_ = base::Time::max();
};

}  // namespace net
