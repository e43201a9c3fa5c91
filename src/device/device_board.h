#pragma once

#include "device/devices.h"
#include "device/drivers.h"
#include "device/memory.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace device {

/// The devices' side of Devices: schedulers, drivers and the polls that keep them true. Lives on
/// the owner's thread.
class DeviceBoard {
public:
    /// A place in the queue got its answer.
    using Answer = std::function<void(Scheduler::Ticket, base::Result<void>)>;

    DeviceBoard(net::Worker& worker, Supervisor& engines, Answer answer);
    ~DeviceBoard();

    void configure(Plan plan);
    void ask(Scheduler::Ticket ticket, const Use& use);
    void withdraw(const std::string& device, Scheduler::Ticket ticket);
    /// How a lease ended. `served`: when its engine began to answer, if it did.
    struct End {
        bool failed = false;
        bool abandoned = false;  ///< its engine may be at work on for nobody
        std::optional<base::Time> served{};
    };
    void release(const std::string& device, Scheduler::Ticket ticket, End end);
    base::Duration expected_wait(const Use& use);

    /// Whether a model of the engine is at work; nullopt: it does not say.
    net::Task<std::optional<bool>> busy(std::string engine, base::Time by);
    std::vector<DeviceReport> report();
    net::Task<std::vector<UnloadReport>> unload(std::string device);
    /// Sends one model away, where it is loaded and nobody uses it.
    net::Task<> unload_model(std::string device, ModelKey key);
    /// No task begins any more; those under way end soon.
    void shut_down();

private:
    /// Between two looks at the engines while something loads or leaves.
    static constexpr base::Duration kPollBusy{300};

    /// How it is that an engine can't be asked.
    struct Silence {
        base::Time since;
        base::Time last{};  ///< looked at
        base::Duration rest{0};
        base::Error why{};
    };
    struct Engine {
        EngineSite site;
        std::shared_ptr<Driver> driver;  ///< null: it can't be asked
        bool polling = false;
        bool answers = false;                    ///< has ever said what it holds
        base::Time looked = base::Time::min();   ///< when it last said so
        base::Time look_at = base::Time::min();  ///< not asked again before, unless a lease ends
        base::Time served = base::Time::min();
        std::optional<Silence> silence;
        std::uint64_t generation = 0;                  ///< of the plan that it is from
        std::uint64_t released = 0;                    ///< leases given up so far
        std::set<std::string> released_models;         ///< of those, since it was asked last
        std::set<std::string> seen_on;                 ///< devices on which it last had something
        std::map<std::string, std::string> expires{};  ///< DeviceReport::Engine::expires
    };
    struct Cold {
        ModelKey key;
        base::Time since;
    };
    /// A lease: on what, and of which plan.
    struct Held {
        ModelKey key;
        std::uint64_t generation = 0;
    };
    /// A request before it is in the queue: the engines are looked at first.
    struct Unasked {
        Need need;
        base::Time at;
        bool cold = false;
    };
    struct Device {
        explicit Device(Terms terms) : scheduler(terms) {}
        config::DeviceSettings settings;
        Scheduler scheduler;
        std::map<Scheduler::Ticket, Unasked> unasked;
        std::map<Scheduler::Ticket, Held> leases;
        std::map<Scheduler::Ticket, Cold> cold;  ///< those whose model may still be loading
        int evictions = 0;
        bool in_use = false;  ///< anything loaded, claimed or waited for
    };

    Device& device(const std::string& name);
    Terms terms_of(const std::string& name, const config::DeviceSettings& settings) const;
    std::optional<MemoryReading> memory_of(const std::string& name,
                                           const config::DeviceSettings& settings) const;
    std::uint64_t vram_of(std::span<const int> pids) const;
    std::vector<Engine*> engines_on(const std::string& device);

    void admit(const std::string& name, Device& device);
    void give_up(const std::string& device, Scheduler::Ticket ticket, End end);
    std::shared_ptr<Driver> left_at_work(const std::string& device, Scheduler::Ticket ticket,
                                         End end);
    net::Task<> stop_work(std::string device, Scheduler::Ticket ticket, End end,
                          std::shared_ptr<Driver> driver);
    void lease_ended(const std::string& name, const Held& held, bool served);
    bool wanted(const Engine& engine) const { return engine.generation == generation_; }
    /// Or on its way out.
    bool there(const Engine& engine) const { return wanted(engine) || engine.driver; }
    void reassign(base::Time now);
    void follow(const std::string& name, Device& device);
    void pulse();
    void look_at_all();
    bool poll(Engine& engine);
    net::Task<> poll_task(std::string key);
    net::Task<base::Result<std::vector<Holding>>> look(std::shared_ptr<Driver> driver);
    void answered(Engine& engine, const std::vector<Holding>& holdings);
    void silent(Engine& engine, base::Error why);
    bool holds_nothing(const Engine& engine, bool measured, base::Time now) const;
    bool waited_for(const Engine& engine);
    bool serves(const Engine& engine) const;
    void hurry(Engine& engine);
    void observed(Engine& engine, const std::vector<Holding>& holdings);
    void settle_cold(Device& device, const std::string& engine,
                     const std::set<std::string>& loaded);
    std::optional<std::uint64_t> others_on(const std::string& name, const Device& device,
                                           const std::string& without) const;
    void measure_others(const std::string& name, Device& device);
    void after_poll();

    void evict(const std::string& device, ModelKey key);
    net::Task<> evict_task(std::string device, ModelKey key);
    net::Task<base::Result<void>> send_away(std::string device, ModelKey key);
    static net::Task<base::Result<bool>> holds(std::shared_ptr<Driver> driver, std::string model,
                                               base::Time by);
    net::Task<> let_settle(base::Time until);
    net::Task<> until_memory_returns(std::string device, std::uint64_t used_before,
                                     std::uint64_t bytes);
    bool leased(const ModelKey& key) const;
    net::Task<std::optional<UnloadReport>> unload_engine(std::string key, std::string device);

    net::Worker& worker_;
    net::UpstreamSettings settings_;
    net::ClientTls tls_;
    net::UpstreamClient client_{worker_.loop.get_executor(), worker_.deadlines, settings_, tls_};
    Nvml nvml_;
    DriverTools tools_;
    Answer answer_;
    std::map<std::string, Engine> engines_;
    std::map<std::string, Device> devices_;
    std::uint64_t generation_ = 0;
    net::Deadlines::Alarm pulse_;
    base::Time pulse_at_ = base::Time::max();  ///< when it rings
    bool ending_ = false;
};

}  // namespace device
