#pragma once

#include "base/result.h"
#include "device/engine_spec.h"
#include "net/asio.h"
#include "net/upstream.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace device {

/// The right of one attempt to use a running engine; while any is held the engine
/// is not stopped for idleness. Giving it up is a message: it never waits. Used on one thread.
class Lease {
public:
    Lease() = default;
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) noexcept = default;
    std::uint16_t port() const { return port_; }
    /// kill() has ended the engine meanwhile: what failed since then is not the engine's fault.
    bool cancelled() const;
    /// What was asked of the engine may go on after the lease: nobody waits for it any more.
    void abandon();

private:
    friend class Supervisor;
    std::uint16_t port_ = 0;
    std::shared_ptr<void> hold_;
    std::shared_ptr<bool> unfinished_;
    std::shared_ptr<const std::atomic<unsigned>> kills_;  ///< of the engine so far
    unsigned kills_before_ = 0;
};

/// How a caller waits for an engine.
struct Waiting {
    WhenBusy when_busy = WhenBusy::wait;
    /// Called every so often meanwhile; false: it waits no longer.
    std::function<net::Task<bool>()> tell{};
    base::Duration tell_every{5'000};
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

    /// The engines that may run from now on. One that is gone or changed is stopped once its leases
    /// are given up. Who waits for one that became exclusive waits for its turn from now on; who
    /// waits for one that was moved to another device is refused (`not_found`).
    void configure(std::vector<EngineSpec> engines);

    /// Starts the engine if it must and waits until it is ready. Called on a worker's
    /// thread; `deadline` or abort withdraws the waiter, and a start that nobody waits
    /// for any more is finished all the same (it is warm for the next).
    /// For an exclusive engine it also waits for its turn, in the order of coming.
    /// Errors: timed_out, gone, not_found (no such engine), io (it can't be started or
    /// keeps failing: detail says why and how long until the next try), refused (the start was
    /// ended by kill()), busy (not its turn, and it does not wait or too many do).
    net::Task<base::Result<Lease>> acquire(net::Executor executor, std::string name,
                                           base::Time deadline, net::AbortHandle& abort,
                                           Waiting waiting = {});

    /// Stops an idle engine and returns when its process is gone (at once where none runs). Called
    /// on a worker's thread. Errors: refused (somebody uses it or waits for it: it runs on),
    /// timed_out (it has not gone yet), not_found, gone (freeway is ending).
    net::Task<base::Result<void>> unload(net::Executor executor, std::string name,
                                         base::Time deadline);
    /// Ends an engine at once, whatever it does, and returns when its process is gone. Its leases
    /// know it as cancelled(), who waits for its start is refused (`refused`); it may start again
    /// at once. Errors as of unload(), but never refused.
    net::Task<base::Result<void>> kill(net::Executor executor, std::string name,
                                       base::Time deadline);

    /// Returns once everything asked for before is taken up, given-up leases too: status() then
    /// shows it.
    net::Task<> settle(net::Executor executor);
    std::vector<EngineStatus> status() const;

    /// Ends every child: SIGTERM, then SIGKILL to the process group. Returns when all are gone.
    void shutdown();

private:
    struct Impl;
    enum class Order { acquire, unload, kill, make_way, settle };
    net::Task<base::Result<Lease>> send(Order order, net::Executor executor, std::string name,
                                        base::Time deadline, net::AbortHandle& abort,
                                        Waiting waiting);
    net::Task<base::Result<void>> end(Order order, net::Executor executor, std::string name,
                                      base::Time deadline);

    std::unique_ptr<Impl> impl_;
};

}  // namespace device
