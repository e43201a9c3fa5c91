#pragma once

#include "base/result.h"
#include "device/engine_spec.h"

#include <deque>
#include <optional>
#include <set>
#include <vector>

namespace device {

/// One engine's life as a state machine without a clock, a process or a thread:
/// events go in with their time, actions come out. Its one owner (Runner) carries
/// them out. Nothing outside decides whether the engine runs.
///
///            ask            became_ready         idle for ttl, outdated, unload, kill
///   stopped ─────> starting ────────────> ready ─────────────────────> stopping ─> stopped
///                     │  exited, too slow   │ exited                      (waiters: starting)
///                     └──────> failed <─────┘
///                                └─ ask after the backoff ─> starting
class Engine {
public:
    /// Who asked; later the lease itself. Never used twice.
    using Ticket = std::uint64_t;
    /// What a lease leaves behind.
    enum class Work { done, unfinished };

    struct Action {
        enum class Kind {
            start,      ///< begin the process, then report became_ready, exited or could_not_start
            terminate,  ///< ask the process to end, then report exited
            kill,       ///< end it now
            grant,      ///< `ticket` holds a lease from here on
            refuse,     ///< `ticket` gets `error`
            confirm,    ///< `ticket` asked for its end, and no process runs
        };
        Kind kind;
        Ticket ticket = 0;
        base::Error error{};
    };

    explicit Engine(EngineSpec spec) : spec_(std::move(spec)) {}

    void ask(Ticket ticket, base::Time now);
    /// One that left: a waiter, or who asked for the end. Does nothing to one that was answered.
    void withdraw(Ticket ticket);
    /// A lease given up. An engine that works on for nobody is killed where it wants that.
    void release(Ticket ticket, Work work, base::Time now);
    void became_ready(base::Time now);
    /// The process has ended, wanted or not; `reason` is for people.
    void exited(const std::string& reason, base::Time now);
    /// There was nothing to run: trying again costs nothing, so there is no backoff.
    void could_not_start(base::Error error, base::Time now);
    /// To be called at due().
    void tick(base::Time now);

    /// The specification from now on. A running engine that differs ends with its last lease.
    void configure(EngineSpec spec, base::Time now);
    /// No longer wanted: ends with its last lease.
    void retire(base::Time now);
    /// Ends whether or not leases are held.
    void shut_down(base::Time now);

    /// Ends unless it is used or waited for: `ticket` is confirmed once no process runs, at once
    /// where none does, and refused (`refused`) while there is a lease or a waiter.
    void unload(Ticket ticket, base::Time now);
    /// Ends as soon as nobody uses it; `ticket` is confirmed as by unload().
    void make_way(Ticket ticket, base::Time now);
    /// Ends at once, whoever uses it; those who wait for it are refused (`refused`). No failure: it
    /// may start again at once. `ticket` is confirmed as by unload().
    void kill(Ticket ticket, base::Time now);

    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
    /// When tick() has something to do; Time::max() for never.
    base::Time due() const;

    /// Retired, and nothing runs.
    bool finished() const { return retired_ && !running(); }
    EngineState state() const { return state_; }
    /// Of what runs, or would be started now.
    const EngineSpec& spec() const { return spec_; }
    /// As configured last.
    const EngineSpec& wanted() const { return next_ ? *next_ : spec_; }
    int restarts() const { return restarts_; }
    const std::string& last_error() const { return last_error_; }
    std::size_t leases() const { return leases_.size(); }
    std::size_t waiting() const { return waiters_.size(); }

private:
    bool running() const { return state_ != EngineState::stopped && state_ != EngineState::failed; }
    bool outdated() const { return next_.has_value() || retired_; }
    void start(base::Time now);
    void terminate(base::Time now);
    void settle(base::Time now);
    void fail(std::string reason, base::Duration backoff, base::Time now);
    void refuse_waiters(const base::Error& error);
    void confirm_end();
    void kill_process(base::Time now);

    EngineSpec spec_;
    std::optional<EngineSpec> next_;
    bool retired_ = false;
    EngineState state_ = EngineState::stopped;
    std::deque<Ticket> waiters_;
    std::set<Ticket> leases_;
    std::vector<Ticket> enders_;  ///< to be confirmed when no process runs
    std::vector<Action> actions_;
    base::Time since_;  ///< of the state
    base::Time idle_since_;
    base::Time retry_at_;
    bool killed_ = false;
    std::string fault_;  ///< why a stop under way counts as a failure
    std::string last_error_;
    int failures_ = 0;  ///< in a row
    int restarts_ = 0;
};

}  // namespace device
