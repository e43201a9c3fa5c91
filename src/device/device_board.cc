#include "device/device_board.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace device {

using base::ErrorKind;
using base::Result;

namespace {

using namespace std::chrono_literals;

/// So old may be what an engine said, for a request to be scheduled by it.
constexpr base::Duration kFresh = 10s;
/// An engine that did not answer is asked again after so long.
constexpr base::Duration kRest = 30s;
constexpr base::Duration kPollTime = 1s;
/// While something loads or leaves, and while things are merely loaded.
constexpr base::Duration kPollBusy = 300ms;
constexpr base::Duration kPollCalm = 5s;
/// How often an engine whose leases end all the time is asked in one go.
constexpr int kMostRounds = 3;
constexpr base::Duration kUnloadTime = 10s;  ///< for an engine to say that it will
constexpr base::Duration kGoneTime = 30s;    ///< for the model to be gone
constexpr base::Duration kGoneStep = 200ms;
/// A driver gives memory back a little after the process has let go of it.
constexpr base::Duration kMemoryTime = 5s;
constexpr double kMemoryShare = 0.75;

std::string said(const base::Error& error) {
    return error.detail.empty() ? std::string("no answer") : error.detail;
}

}  // namespace

DeviceBoard::DeviceBoard(net::Worker& worker, Supervisor& engines, Answer answer)
    : worker_(worker),
      tools_{worker, client_, engines, [this](int pid) { return vram_of(pid); }},
      answer_(std::move(answer)),
      pulse_(worker.deadlines, [this] {
          const base::Time now = base::Clock::now();
          for (auto& [name, device] : devices_) {
              device.scheduler.tick(now);
              if (!device.unasked.empty() && fresh(name, now)) admit(device);
              follow(name, device);
          }
          look_at_all();
          pulse();
      }) {}

DeviceBoard::~DeviceBoard() = default;

std::uint64_t DeviceBoard::vram_of(int pid) const {
    const auto cuda = devices_.find("cuda");
    return cuda == devices_.end() ? 0 : nvml_.held_by(cuda->second.settings.gpu, pid);
}

std::optional<MemoryReading> DeviceBoard::memory_of(const std::string& name,
                                                    const config::DeviceSettings& settings) const {
    if (name == "cpu") return main_memory();
    if (name == "cuda") return nvml_.memory(settings.gpu);
    return std::nullopt;
}

Terms DeviceBoard::terms_of(const std::string& name, const config::DeviceSettings& settings) const {
    Terms terms;
    terms.jobs = settings.jobs;
    terms.most_waiting = settings.queue;
    terms.patience = settings.patience;
    terms.budget = settings.memory;
    if (!terms.budget)
        if (const auto reading = memory_of(name, settings)) terms.budget = reading->total;
    return terms;
}

void DeviceBoard::configure(Plan plan) {
    const base::Time now = base::Clock::now();
    ++generation_;
    for (auto& [name, settings] : plan.devices) {
        auto [at, fresh] = devices_.try_emplace(name, terms_of(name, settings));
        at->second.settings = settings;
        if (!fresh) at->second.scheduler.configure(terms_of(name, settings), now);
    }
    for (EngineSite& site : plan.engines) {
        Engine& engine = engines_[site.key];
        engine.driver = make_driver(tools_, site);
        engine.site = std::move(site);
        engine.generation = generation_;
    }
    // One that is gone is not asked any more, so nothing is known of what it holds.
    for (auto& [key, engine] : engines_) {
        if (engine.generation == generation_) continue;
        engine.driver.reset();
        for (auto& [name, device] : devices_) device.scheduler.observed(key, {}, now);
    }
    std::erase_if(engines_, [&](const auto& entry) {
        return entry.second.generation != generation_ && !entry.second.polling;
    });
    for (auto& [name, device] : devices_) follow(name, device);
    pulse();
}

DeviceBoard::Device& DeviceBoard::device(const std::string& name) {
    const auto found = devices_.find(name);
    if (found != devices_.end()) return found->second;
    return devices_.try_emplace(name, terms_of(name, {})).first->second;
}

std::vector<DeviceBoard::Engine*> DeviceBoard::engines_on(const std::string& device) {
    std::vector<Engine*> found;
    for (auto& [key, engine] : engines_) {
        const bool here = engine.site.device == device ||
                          std::ranges::any_of(engine.site.models, [&](const auto& model) {
                              return model.second.device == device;
                          });
        if (here && engine.driver) found.push_back(&engine);
    }
    return found;
}

bool DeviceBoard::fresh(const std::string& device, base::Time now) {
    return std::ranges::all_of(engines_on(device),
                               [&](Engine* engine) { return now < engine->polled + kFresh; });
}

void DeviceBoard::ask(Scheduler::Ticket ticket, const Use& use) {
    Device& asked = device(use.device);
    asked.in_use = true;
    const base::Time now = base::Clock::now();
    if (asked.unasked.size() >= asked.settings.queue)
        return answer_(ticket, base::fail(ErrorKind::refused, "too many requests wait for it"));
    asked.unasked.emplace(ticket, use.need);
    if (fresh(use.device, now)) {
        admit(asked);
        follow(use.device, asked);
    } else {
        for (Engine* engine : engines_on(use.device))
            if (now >= engine->polled + kFresh) poll(*engine);
    }
    pulse();
}

/// Those that came before the engines had said what they hold.
void DeviceBoard::admit(Device& device) {
    const base::Time now = base::Clock::now();
    for (auto& [ticket, need] : std::exchange(device.unasked, {}))
        device.scheduler.ask(ticket, std::move(need), now);
}

void DeviceBoard::withdraw(const std::string& name, Scheduler::Ticket ticket) {
    Device& asked = device(name);
    if (asked.unasked.erase(ticket) == 0) asked.scheduler.withdraw(ticket, base::Clock::now());
    follow(name, asked);
    pulse();
}

void DeviceBoard::release(const std::string& name, Scheduler::Ticket ticket, End end) {
    Device& asked = device(name);
    const base::Time now = base::Clock::now();
    if (const auto cold = asked.cold.extract(ticket); !cold.empty() && end.served)
        asked.scheduler.loaded(
            ticket, std::chrono::duration_cast<base::Duration>(*end.served - cold.mapped().since),
            now);
    asked.scheduler.release(ticket, end.failed, now);
    if (const auto lease = asked.leases.extract(ticket); !lease.empty())
        lease_ended(asked, lease.mapped(), end.served.has_value());
    follow(name, asked);
    pulse();
}

void DeviceBoard::lease_ended(Device& device, const std::string& key, bool served) {
    const auto found = engines_.find(key);
    Engine* const engine =
        found != engines_.end() && found->second.driver ? &found->second : nullptr;
    if (engine) ++engine->released;
    // It may be loading on for nobody: only the engine knows.
    if (engine && !served) poll(*engine);
    // Nobody will ever say what it holds: its models count while they are used.
    if (!engine || !engine->answers) device.scheduler.observed(key, {}, base::Clock::now());
}

base::Duration DeviceBoard::expected_wait(const Use& use) {
    return device(use.device).scheduler.expected_wait(use.need, base::Clock::now());
}

/// Carries out what a scheduler asks for.
void DeviceBoard::follow(const std::string& name, Device& device) {
    const base::Time now = base::Clock::now();
    for (Scheduler::Action& action : device.scheduler.take_actions()) {
        switch (action.kind) {
            case Scheduler::Action::Kind::grant:
                device.leases[action.ticket] = action.key.engine;
                if (action.cold) device.cold[action.ticket] = {action.key, now};
                answer_(action.ticket, {});
                break;
            case Scheduler::Action::Kind::refuse:
                answer_(action.ticket, std::unexpected(std::move(action.error)));
                break;
            case Scheduler::Action::Kind::evict: evict(name, std::move(action.key)); break;
        }
    }
}

/// Sets the next look: soon while something moves, now and then while something is loaded.
void DeviceBoard::pulse() {
    if (ending_) return pulse_.clear();
    const base::Time now = base::Clock::now();
    base::Time next = base::Time::max();
    for (auto& [name, device] : devices_) {
        const bool moves = !device.cold.empty() || device.evictions > 0 || !device.unasked.empty();
        if (moves)
            next = std::min(next, now + kPollBusy);
        else if (device.in_use)
            next = std::min(next, now + kPollCalm);
        next = std::min(next, std::max(now, device.scheduler.due()));
    }
    if (next < base::Time::max()) pulse_.set(next);
}

void DeviceBoard::look_at_all() {
    std::set<Engine*> asked;
    for (auto& [name, device] : devices_) {
        if (!device.in_use) continue;
        for (Engine* engine : engines_on(name)) asked.insert(engine);
    }
    const base::Time now = base::Clock::now();
    for (Engine* engine : asked)
        if (now >= engine->polled + kPollBusy) poll(*engine);
}

void DeviceBoard::poll(Engine& engine) {
    if (engine.polling || ending_ || !engine.driver) return;
    engine.polling = true;
    worker_.tasks.spawn(poll_task(engine.site.key), [] {});
}

net::Task<> DeviceBoard::poll_task(std::string key) {
    Engine& engine = engines_.at(key);
    const auto driver = engine.driver;
    // What was said before a lease ended may be over: then it is asked anew, but not for ever.
    std::uint64_t released = 0;
    Result<std::vector<Holding>> holdings;
    int rounds = 0;
    do {
        released = engine.released;
        holdings = co_await driver->holdings(base::Clock::now() + kPollTime);
    } while (holdings && released != engine.released && ++rounds < kMostRounds && !ending_);
    engine.polling = false;
    if (engine.generation != generation_) co_return;
    const base::Time now = base::Clock::now();
    if (holdings && released != engine.released) {
        engine.polled = now;  // the next look tells
    } else if (holdings) {
        if (!engine.trouble.empty())
            base::log::write(base::log::Level::info, "engine answers again", {{"engine", key}});
        engine.trouble.clear();
        engine.answers = true;
        engine.polled = now;
        observed(engine, *holdings);
    } else {
        if (engine.trouble.empty())
            base::log::write(base::log::Level::warning, "engine can't be asked what it holds",
                             {{"engine", key}, {"detail", said(holdings.error())}});
        engine.trouble = said(holdings.error());
        engine.polled = now + kRest - kFresh;
        for (auto& [name, device] : devices_) device.scheduler.unreachable(key, now);
    }
    after_poll();
}

/// What an engine holds, device by device.
void DeviceBoard::observed(Engine& engine, const std::vector<Holding>& holdings) {
    const EngineSite& site = engine.site;
    std::map<std::string, std::vector<Resident>> found{{site.device, {}}, {"cpu", {}}};
    std::set<std::string> loaded;
    for (const auto& [model, known] : site.models) found[known.device];
    for (const Holding& one : holdings) {
        if (!one.loading) loaded.insert(one.model);
        const auto known = site.models.find(one.model);
        const std::string& where = known == site.models.end() ? site.device : known->second.device;
        std::uint64_t bytes = where == "cpu" ? one.ram + one.vram : one.vram;
        if ((bytes == 0 || one.loading) && known != site.models.end()) bytes = known->second.bytes;
        found[where].push_back({one.model, bytes, one.busy});
        // A model that did not fit on the GPU lies in main memory for the rest.
        if (where != "cpu" && site.kind == EngineSite::Kind::ollama && one.ram > 0)
            found["cpu"].push_back({one.model, one.ram, one.busy});
    }
    const base::Time now = base::Clock::now();
    for (auto& [name, residents] : found) {
        const auto at = devices_.find(name);
        if (at == devices_.end()) continue;
        settle_cold(at->second, site.key, loaded);
        at->second.scheduler.observed(site.key, std::move(residents), now);
    }
}

/// The first time that an engine shows a model which a lease was loading.
void DeviceBoard::settle_cold(Device& device, const std::string& engine,
                              const std::set<std::string>& loaded) {
    const base::Time now = base::Clock::now();
    std::erase_if(device.cold, [&](const auto& entry) {
        const auto& [ticket, cold] = entry;
        if (cold.key.engine != engine || !loaded.contains(cold.key.model)) return false;
        device.scheduler.loaded(ticket,
                                std::chrono::duration_cast<base::Duration>(now - cold.since), now);
        return true;
    });
}

/// What is used on the device beyond our engines' models, of the part that is ours to give. Only
/// looked at while nothing loads or leaves: its memory would be counted twice.
void DeviceBoard::measure_others(const std::string& name, Device& device) {
    if (!device.cold.empty() || device.evictions > 0) return;
    const auto reading = memory_of(name, device.settings);
    const Scheduler::View view = device.scheduler.view(base::Clock::now());
    if (!reading || !view.budget) return;
    const std::uint64_t left = reading->total - std::min(reading->total, reading->used);
    const std::uint64_t reachable = view.used + left;
    device.scheduler.others(*view.budget - std::min(*view.budget, reachable), base::Clock::now());
}

void DeviceBoard::after_poll() {
    const base::Time now = base::Clock::now();
    for (auto& [name, device] : devices_) {
        if (!device.in_use) continue;
        measure_others(name, device);
        if (!device.unasked.empty() && fresh(name, now)) admit(device);
        follow(name, device);
        const Scheduler::View view = device.scheduler.view(now);
        device.in_use = !view.models.empty() || !view.waiting.empty() || !device.unasked.empty();
    }
    pulse();
}

void DeviceBoard::evict(const std::string& name, ModelKey key) {
    if (ending_) return;
    ++device(name).evictions;
    worker_.tasks.spawn(evict_task(name, std::move(key)), [] {});
}

net::Task<> DeviceBoard::evict_task(std::string name, ModelKey key) {
    auto gone = co_await send_away(name, key);
    Device& from = device(name);
    --from.evictions;
    const base::Time now = base::Clock::now();
    if (gone)
        from.scheduler.evicted(key, now);
    else
        from.scheduler.eviction_failed(key, said(gone.error()), now);
    base::log::write(gone ? base::log::Level::info : base::log::Level::warning,
                     gone ? "model unloaded" : "model could not be unloaded",
                     {{"device", name},
                      {"engine", key.engine},
                      {"model", key.model},
                      {"detail", gone ? std::string() : said(gone.error())}});
    follow(name, from);
    pulse();
}

net::Task<Result<bool>> DeviceBoard::holds(std::string engine, std::string model, base::Time by) {
    const auto found = engines_.find(engine);
    if (found == engines_.end() || !found->second.driver) co_return false;
    const auto driver = found->second.driver;
    auto holdings = co_await driver->holdings(by);
    if (!holdings) co_return std::unexpected(holdings.error());
    co_return std::ranges::find(*holdings, model, &Holding::model) != holdings->end();
}

/// Asks the engine to let go, and returns when the model is gone and its memory free.
net::Task<Result<void>> DeviceBoard::send_away(std::string name, ModelKey key) {
    const auto found = engines_.find(key.engine);
    if (found == engines_.end() || !found->second.driver)
        co_return base::fail(ErrorKind::unsupported, "this engine can't be asked to unload");
    const auto before = memory_of(name, device(name).settings);
    std::uint64_t bytes = 0;
    for (const auto& model : device(name).scheduler.view(base::Clock::now()).models)
        if (model.key == key) bytes = model.bytes;
    const auto driver = found->second.driver;
    auto asked = co_await driver->unload(key.model, base::Clock::now() + kUnloadTime);
    if (!asked) co_return asked;
    const base::Time by = base::Clock::now() + kGoneTime;
    for (;;) {
        auto still = co_await holds(key.engine, key.model, base::Clock::now() + kPollTime);
        if (still && !*still) break;
        if (base::Clock::now() >= by || ending_)
            co_return base::fail(ErrorKind::timed_out,
                                 still ? "it still holds the model" : said(still.error()));
        co_await net::sleep_until(worker_.loop.get_executor(), base::Clock::now() + kGoneStep);
    }
    if (before && name != "cpu") co_await until_memory_returns(name, before->used, bytes);
    co_return Result<void>();
}

net::Task<> DeviceBoard::until_memory_returns(std::string name, std::uint64_t used_before,
                                              std::uint64_t bytes) {
    const auto share = static_cast<std::uint64_t>(static_cast<double>(bytes) * kMemoryShare);
    const std::uint64_t wanted = used_before - std::min(used_before, share);
    const base::Time by = base::Clock::now() + kMemoryTime;
    while (base::Clock::now() < by && !ending_) {
        const auto now = memory_of(name, device(name).settings);
        if (!now || now->used <= wanted) co_return;
        co_await net::sleep_until(worker_.loop.get_executor(), base::Clock::now() + kGoneStep);
    }
}

net::Task<std::optional<bool>> DeviceBoard::busy(std::string key, base::Time by) {
    const auto found = engines_.find(key);
    if (found == engines_.end() || !found->second.driver) co_return std::nullopt;
    // Ollama lets requests wait by itself; when it refuses one, its list does not say why.
    if (found->second.site.kind == EngineSite::Kind::ollama) co_return std::nullopt;
    const auto driver = found->second.driver;
    auto holdings = co_await driver->holdings(by);
    if (!holdings) co_return std::nullopt;
    co_return std::ranges::any_of(*holdings, &Holding::busy);
}

std::vector<DeviceReport> DeviceBoard::report() const {
    std::vector<DeviceReport> all;
    const base::Time now = base::Clock::now();
    for (const auto& [name, device] : devices_) {
        DeviceReport one{.name = name,
                         .view = device.scheduler.view(now),
                         .jobs = device.settings.jobs,
                         .engines = {}};
        for (const auto& [key, engine] : engines_)
            if (engine.site.device == name) one.engines.push_back({key, engine.trouble});
        all.push_back(std::move(one));
    }
    return all;
}

bool DeviceBoard::leased(const ModelKey& key) const {
    for (const auto& [name, device] : devices_)
        for (const auto& model : device.scheduler.view(base::Clock::now()).models)
            if (model.key == key && model.leases > 0) return true;
    return false;
}

net::Task<> DeviceBoard::unload_model(std::string name, ModelKey key) {
    const auto there = co_await holds(key.engine, key.model, base::Clock::now() + kPollTime);
    if (!there || !*there || ending_ || leased(key)) co_return;
    (void)co_await send_away(name, key);
    if (const auto engine = engines_.find(key.engine); engine != engines_.end())
        poll(engine->second);
}

/// nullopt: the engine is not on that device.
net::Task<std::optional<UnloadReport>> DeviceBoard::unload_engine(std::string key,
                                                                  std::string only) {
    const EngineSite site = engines_.at(key).site;
    if (!only.empty() && site.device != only) co_return std::nullopt;
    UnloadReport out{key, site.device, "ok", {}, {}};
    const auto driver = engines_.at(key).driver;
    if (!driver) {
        out.status = "skipped";
        co_return out;
    }
    auto holdings = co_await driver->holdings(base::Clock::now() + kPollTime);
    if (!holdings) {
        out.status = "error";
        out.error = said(holdings.error());
        co_return out;
    }
    if (holdings->empty()) out.status = "empty";
    for (const Holding& one : *holdings) {
        const ModelKey model{key, one.model};
        if (ending_) break;
        if (one.busy || leased(model)) {
            out.status = "busy";
            continue;
        }
        if (auto gone = co_await send_away(site.device, model)) {
            out.unloaded.push_back(one.model);
        } else {
            out.status = "error";
            out.error = said(gone.error());
        }
    }
    co_return out;
}

net::Task<std::vector<UnloadReport>> DeviceBoard::unload(std::string only) {
    std::vector<std::string> keys;
    for (const auto& [key, engine] : engines_) keys.push_back(key);
    std::vector<UnloadReport> all;
    for (const std::string& key : keys) {
        if (ending_) break;
        if (!engines_.contains(key)) continue;
        if (auto one = co_await unload_engine(key, only)) all.push_back(std::move(*one));
        if (const auto engine = engines_.find(key); engine != engines_.end()) poll(engine->second);
    }
    co_return all;
}

void DeviceBoard::shut_down() {
    ending_ = true;
    pulse_.clear();
    tools_.ended = true;
    for (net::AbortHandle* call : tools_.calls) call->abort();
    for (auto& [name, device] : devices_)
        for (const auto& [ticket, need] : std::exchange(device.unasked, {}))
            answer_(ticket, base::fail(ErrorKind::gone, "freeway is shutting down"));
}

}  // namespace device
