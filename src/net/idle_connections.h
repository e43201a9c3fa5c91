#pragma once

#include "net/deadlines.h"
#include "net/stream.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace net {

/// One worker's connections that wait to be used again, by the key of their origin. Bounded in
/// number and in time.
class IdleConnections {
public:
    IdleConnections(Deadlines& deadlines, std::size_t most_each, base::Duration most_time);

    /// The one that was used last, if it still seems to be open; nullptr: there is none.
    std::unique_ptr<Stream> take(const std::string& key);
    /// `stated`: how long the peer says that it keeps it (`Keep-Alive: timeout=5`). It is not used
    /// in the last moments of that: a request that meets the peer's close is lost.
    void give(const std::string& key, std::unique_ptr<Stream> stream,
              std::optional<base::Duration> stated);
    std::size_t count() const;

private:
    struct Idle {
        std::unique_ptr<Stream> stream;
        base::Time until;
    };
    void sweep();

    const std::size_t most_each_;
    const base::Duration most_time_;
    std::map<std::string, std::deque<Idle>> idle_;
    bool sweeping_ = false;
    Deadlines::Alarm sweep_;
};

}  // namespace net
