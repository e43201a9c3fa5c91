#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "quota/bucket.h"
#include "store/redis.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace store {

/// The limits of several gateways that use one set of keys, kept together in Redis or Valkey.
///
/// The request path stays local: a bucket gives only what was granted to it beforehand. One
/// thread reports what was used and asks for more, all buckets in one pipelined round. What is
/// granted counts as used for all others; it is valid here for less time than it is held there,
/// so a gateway that dies or is cut off can't overspend: it keeps to what it holds, and what a
/// dead one held counts as used when it expires. Validity: to the end of a window that has
/// begun; 30 days of a lifetime's; else a tenth of the window, at least 1 s.
///
/// The lowest limit that a live gateway knows is in force. What a provider told one gateway is
/// used counts for all while it says so. If Redis lost its data, each gateway reports its own
/// part again, and for 2 s nothing is handed out. A gateway's own closing of a bucket (a refusal)
/// and `concurrency` and `utilization` are not shared; an operator's reset does not give back
/// what Redis has counted.
class SharedLedger {
public:
    static constexpr base::Duration kRound{50};
    static constexpr base::Duration kIdle{1'000};  ///< then what is beyond the reserve goes back
    static constexpr base::Duration kTimeout{500};
    static constexpr base::Duration kFirstRetry{100};
    /// Shorter than the 2 s for which a Redis that lost its data waits for all to report.
    static constexpr base::Duration kLastRetry{1'000};

    using Act = std::function<void(quota::Bucket&)>;
    /// Calls `act` with every blocking bucket, under its lock.
    using Each = std::function<void(const Act& act)>;

    /// Reads `url` (REDIS_URL) and connects to nothing yet. `gateway` must be new for every start
    /// of a process. `each` must outlive the ledger.
    static base::Result<std::unique_ptr<SharedLedger>> open(const std::string& url, Each each,
                                                            std::string gateway);
    ~SharedLedger() { stop(); }
    SharedLedger(const SharedLedger&) = delete;
    SharedLedger& operator=(const SharedLedger&) = delete;

    /// From now on buckets give only what was granted. Starts the thread.
    void start();
    /// Puts buckets that are new (after a reload) in shared mode at once; else the next round does.
    void adopt();
    /// A call lacks `amount` of the bucket `key`: asks for it at once. From any thread, repeatedly
    /// while it lacks; never waits for Redis. False: it is cut off, nothing will come soon.
    bool want(const std::string& key, double amount);
    /// Gives back what is unused, if connected, and ends the thread: within about 1 s.
    void stop();

    struct Status {
        bool connected = false;
        std::string problem;  ///< why not; empty: none, or not tried yet
    };
    Status status() const;

private:
    struct Want {
        double sum = 0;
        double largest = 0;
        double least = 0;
    };
    /// What is known here of one shared bucket.
    struct Entry {
        bool known = false;  ///< Redis has accepted a report of it
        bool give = false;   ///< others need what is left here
        double spent = -1;
        double held = 0;
        double typical = 0;  ///< largest need of late
        Want want;
        base::Time wanted{};
        base::Time moved{};     ///< when use was last seen
        base::Time reported{};  ///< when the last report set out
        base::Time due{};       ///< when to report without a cause
        base::Time until{};     ///< validity of the grant
        std::uint64_t pass = 0;
    };
    struct Ask {
        std::string key;
        Redis::Command command;
    };
    /// The script's answer, validity counted from when the report set out.
    struct Grant {
        double amount = 0;
        base::Duration valid{0};
        bool give = false;
    };

    SharedLedger(RedisAddress address, Each each, std::string gateway);
    void run();
    bool wait(base::Duration longest);
    base::Result<void> connect();
    base::Result<void> round();
    base::Result<void> ping();
    void take_wants();
    bool due(const quota::Bucket& bucket, Entry& entry, base::Now now) const;
    Ask ask(quota::Bucket& bucket, Entry& entry, base::Now now);
    double keep(quota::Bucket& bucket, Entry& entry, double reserve, base::Now now);
    base::Result<std::map<std::string, Grant>> send(const std::vector<Ask>& asks);
    void apply(const std::map<std::string, Grant>& grants, base::Time began);
    void say(bool connected, std::string problem);

    const RedisAddress address_;
    const Each each_;
    const std::string gateway_;

    // The thread's own.
    std::optional<Redis> redis_;
    std::string script_;  ///< its SHA1, once loaded
    std::unordered_map<std::string, Entry> entries_;
    base::Duration ahead_{0};  ///< of Redis' clock over ours (wall clock)
    base::Time spoke_{};       ///< when Redis last answered
    std::uint64_t sequence_ = 0;
    std::uint64_t pass_ = 0;
    bool leaving_ = false;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::map<std::string, Want> wants_;
    bool stopping_ = false;
    bool cut_off_ = false;
    Status status_;
    std::thread thread_;
};

}  // namespace store
