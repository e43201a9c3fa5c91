#pragma once

#include "base/result.h"
#include "device/plan.h"
#include "device/supervisor.h"
#include "net/upstream.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace device {

/// The right of one attempt to use a model on a device. Destroying it gives it up: a message, it
/// never waits.
class DeviceLease {
public:
    DeviceLease() = default;
    DeviceLease(DeviceLease&&) noexcept = default;
    DeviceLease& operator=(DeviceLease&&) noexcept = default;
    explicit operator bool() const { return hold_ != nullptr; }

    /// The engine answers from the loaded model.
    void served();
    /// The model could not be loaded: nothing of it is held.
    void failed();

    struct Hold;

private:
    friend class Devices;
    std::shared_ptr<Hold> hold_;
};

/// One device as people see it.
struct DeviceReport {
    std::string name;
    Scheduler::View view;
    int jobs = 0;
    struct Engine {
        std::string key;
        std::string trouble;  ///< why it could not be asked; empty: it could
    };
    std::vector<Engine> engines;
};

/// What became of one engine's models when they were sent away.
struct UnloadReport {
    std::string engine;
    std::string device;
    std::string status;  ///< ok, empty (nothing was loaded), busy, error, skipped (can't be asked)
    std::vector<std::string> unloaded;
    std::string error;
};

/// All devices with their schedulers, the engines on them and what these have loaded: one thread
/// that owns it all. Every public call is a message to it. While nothing of ours is loaded or
/// asked for, no engine is polled.
class Devices {
public:
    explicit Devices(Supervisor& engines);
    ~Devices();
    Devices(const Devices&) = delete;
    Devices& operator=(const Devices&) = delete;

    void configure(Plan plan);

    /// A place in a device's queue. Leaving it, in whatever way, withdraws it: it causes no load
    /// from then on. Belongs to one task on a worker's thread.
    class Turn {
    public:
        ~Turn();
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        /// True: there is an answer, or the client left. May be called again after false.
        net::Task<bool> wait(base::Time until, net::AbortHandle& abort);
        /// After wait() was true. Errors: refused (the queue is full), too_large (it never fits),
        /// gone.
        base::Result<DeviceLease> take();
        /// How long it looked like taking when it was put into the queue; the answer of one who
        /// gave up.
        base::Duration expected() const;

    private:
        friend class Devices;
        struct State;
        Turn() = default;
        std::shared_ptr<State> state_;
    };
    std::unique_ptr<Turn> join(net::Executor executor, const Use& use);

    /// Waits for `pause`, and on until the engine behind `use` says that none of its models is at
    /// work: true. False: not by `until`, the engine does not say, or the client left.
    net::Task<bool> until_idle(net::Executor executor, Use use, base::Duration pause,
                               base::Time until, net::AbortHandle& abort);

    /// For operators.
    net::Task<std::vector<DeviceReport>> report(net::Executor executor);
    /// Sends away everything that is loaded and idle on `device` (empty: on all) and waits until
    /// it is gone.
    net::Task<std::vector<UnloadReport>> unload(net::Executor executor, std::string device);

    /// Sends one model away, where it is loaded and idle; does not wait for it.
    void unload(const Use& use);

    /// Ends the thread; leases may outlive it.
    void shutdown();

private:
    friend struct DeviceLease::Hold;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace device
