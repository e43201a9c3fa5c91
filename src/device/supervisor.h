#pragma once

#include "base/result.h"
#include "device/engine_spec.h"
#include "net/asio.h"
#include "net/upstream.h"

#include <memory>
#include <string>
#include <vector>

namespace device {

/// The right of one attempt to use a running engine; while any is held the engine
/// is not stopped for idleness. Giving it up is a message: it never waits.
class Lease {
public:
    Lease() = default;
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) noexcept = default;
    std::uint16_t port() const { return port_; }

private:
    friend class Supervisor;
    std::uint16_t port_ = 0;
    std::shared_ptr<void> hold_;
};

/// Owner of all child processes: one thread, one state machine per engine
/// (stopped → starting → ready → stopping → stopped; failed waits out a backoff).
/// Every public call is a message to that thread, so whether an engine runs is
/// never decided outside. Children die with freeway, even after kill -9.
class Supervisor {
public:
    /// `roots`: folders against which relative file arguments are resolved, in order.
    /// `data_dir`: where engines and models live.
    Supervisor(std::string data_dir, std::vector<std::string> roots);
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    /// The engines that may run from now on. One that is gone or changed is stopped
    /// once its leases are given up.
    void configure(std::vector<EngineSpec> engines);

    /// Starts the engine if it must and waits until it is ready. Called on a worker's
    /// thread; `deadline` or abort withdraws the waiter, and a start that nobody waits
    /// for any more is finished all the same (it is warm for the next).
    /// Errors: timed_out, gone, not_found (no such engine), io (it can't be started or
    /// keeps failing: detail says why and how long until the next try).
    net::Task<base::Result<Lease>> acquire(net::Executor executor, std::string name,
                                           base::Time deadline, net::AbortHandle& abort);

    std::vector<EngineStatus> status() const;

    /// Ends every child: SIGTERM, then SIGKILL to the process group. Returns when all are gone.
    void shutdown();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace device
