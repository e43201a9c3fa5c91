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
        std::optional<base::Time> served{};
    };
    void release(const std::string& device, Scheduler::Ticket ticket, End end);
    base::Duration expected_wait(const Use& use);

    /// Whether a model of the engine is at work; nullopt: it does not say.
    net::Task<std::optional<bool>> busy(std::string engine, base::Time by);
    std::vector<DeviceReport> report() const;
    net::Task<std::vector<UnloadReport>> unload(std::string device);
    /// Sends one model away, where it is loaded and nobody uses it.
    net::Task<> unload_model(std::string device, ModelKey key);
    /// No task begins any more; those under way end soon.
    void shut_down();

private:
    struct Engine {
        EngineSite site;
        std::shared_ptr<Driver> driver;  ///< null: it can't be asked
        bool polling = false;
        bool answers = false;                   ///< has ever said what it holds
        base::Time polled = base::Time::min();  ///< the last answer, good or bad
        std::string trouble;
        std::uint64_t generation = 0;  ///< of the plan that it is from
        std::uint64_t released = 0;    ///< leases given up so far
    };
    struct Cold {
        ModelKey key;
        base::Time since;
    };
    struct Device {
        explicit Device(Terms terms) : scheduler(terms) {}
        config::DeviceSettings settings;
        Scheduler scheduler;
        std::map<Scheduler::Ticket, Need> unasked;  ///< wait for the first look at the engines
        std::map<Scheduler::Ticket, std::string> leases;  ///< and their engines
        std::map<Scheduler::Ticket, Cold> cold;  ///< those whose model may still be loading
        int evictions = 0;
        bool in_use = false;  ///< anything loaded, claimed or waited for
    };

    Device& device(const std::string& name);
    Terms terms_of(const std::string& name, const config::DeviceSettings& settings) const;
    std::optional<MemoryReading> memory_of(const std::string& name,
                                           const config::DeviceSettings& settings) const;
    std::uint64_t vram_of(int pid) const;
    std::vector<Engine*> engines_on(const std::string& device);
    bool fresh(const std::string& device, base::Time now);

    void admit(Device& device);
    void lease_ended(Device& device, const std::string& engine, bool served);
    void follow(const std::string& name, Device& device);
    void pulse();
    void look_at_all();
    void poll(Engine& engine);
    net::Task<> poll_task(std::string key);
    void observed(Engine& engine, const std::vector<Holding>& holdings);
    void settle_cold(Device& device, const std::string& engine,
                     const std::set<std::string>& loaded);
    void measure_others(const std::string& name, Device& device);
    void after_poll();

    void evict(const std::string& device, ModelKey key);
    net::Task<> evict_task(std::string device, ModelKey key);
    net::Task<base::Result<void>> send_away(std::string device, ModelKey key);
    net::Task<base::Result<bool>> holds(std::string engine, std::string model, base::Time by);
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
    bool ending_ = false;
};

}  // namespace device
