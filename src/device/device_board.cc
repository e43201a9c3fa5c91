#include "device/device_board.h"

#include <algorithm>

namespace device {

using base::ErrorKind;

namespace {

using namespace std::chrono_literals;

/// So old may be what an engine said, for a request to be scheduled by it; and where it would load
/// a model: others may have loaded one since.
constexpr base::Duration kFresh = 10s;
constexpr base::Duration kJustNow = 500ms;
/// How long a load waits for such a look.
constexpr base::Duration kLookTime = 500ms;
/// An engine that did not answer is left out for so long.
constexpr base::Duration kLeftOut = 30s;
/// Looks while somebody waits, and while things are merely loaded.
constexpr base::Duration kPollWaiting = 500ms;
constexpr base::Duration kPollCalm = 5s;
/// A lease whose client has left is kept for so long, until its engine has stopped.
constexpr base::Duration kStopTime = 900ms;

/// Whether the configuration has models of the engine on the device.
bool sits_on(const EngineSite& site, const std::string& device) {
    return site.device == device || std::ranges::any_of(site.models, [&](const auto& model) {
               return model.second.device == device;
           });
}

}  // namespace

DeviceBoard::DeviceBoard(net::Worker& worker, Supervisor& engines, Answer answer)
    : worker_(worker),
      tools_{worker, client_, engines, [this](std::span<const int> pids) { return vram_of(pids); }},
      answer_(std::move(answer)),
      pulse_(worker.deadlines, [this] {
          pulse_at_ = base::Time::max();
          const base::Time now = base::Clock::now();
          for (auto& [name, device] : devices_) {
              device.scheduler.tick(now);
              admit(name, device);
              follow(name, device);
          }
          look_at_all();
          pulse();
      }) {}

DeviceBoard::~DeviceBoard() = default;

std::uint64_t DeviceBoard::vram_of(std::span<const int> pids) const {
    const auto cuda = devices_.find("cuda");
    return cuda == devices_.end() ? 0 : nvml_.held_by(cuda->second.settings.gpu, pids);
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
    reassign(now);
    for (auto& [name, device] : devices_) {
        if (!engines_on(name).empty()) measure_others(name, device);
        follow(name, device);
    }
    pulse();
}

/// What a new plan means for what the engines hold. A child of ours is asked until it is gone, and
/// where it is: its memory is taken until then. A service that is no longer named is not asked any
/// more; what it holds is others' from now on, as is what it held on a device that its models were
/// moved from.
void DeviceBoard::reassign(base::Time now) {
    for (auto& [key, engine] : engines_) {
        const bool own = engine.site.kind == EngineSite::Kind::own;
        if (!own && !wanted(engine)) engine.driver.reset();
        for (auto& [name, device] : devices_)
            if (!own && (!wanted(engine) || !sits_on(engine.site, name)))
                device.scheduler.observed(key, {}, now);
        if (!wanted(engine) || !engine.seen_on.empty()) poll(engine);
    }
    std::erase_if(engines_, [&](const auto& entry) {
        return !wanted(entry.second) && !entry.second.driver && !entry.second.polling;
    });
}

DeviceBoard::Device& DeviceBoard::device(const std::string& name) {
    const auto found = devices_.find(name);
    if (found != devices_.end()) return found->second;
    return devices_.try_emplace(name, terms_of(name, {})).first->second;
}

std::vector<DeviceBoard::Engine*> DeviceBoard::engines_on(const std::string& device) {
    std::vector<Engine*> found;
    for (auto& [key, engine] : engines_) {
        const bool here = sits_on(engine.site, device) || engine.seen_on.contains(device);
        if (here && engine.driver) found.push_back(&engine);
    }
    return found;
}

void DeviceBoard::ask(Scheduler::Ticket ticket, const Use& use) {
    Device& asked = device(use.device);
    asked.in_use = true;
    const base::Time now = base::Clock::now();
    if (asked.unasked.size() >= asked.settings.queue)
        return answer_(ticket, base::fail(ErrorKind::refused, "too many requests wait for it"));
    const bool cold = !asked.scheduler.resident(use.need.key);
    asked.unasked.emplace(ticket, Unasked{use.need, now, cold});
    bool any = false;
    for (Engine* engine : engines_on(use.device)) {
        if (cold) hurry(*engine);
        const bool old = engine->looked + (cold ? kJustNow : kFresh) <= now;
        if (old && now >= engine->look_at) any |= poll(*engine);
    }
    if (any) after_poll();
    admit(use.device, asked);
    follow(use.device, asked);
    pulse();
}

/// Puts those into the queue for whom the engines have said what they hold.
void DeviceBoard::admit(const std::string& name, Device& device) {
    if (device.unasked.empty()) return;
    const base::Time now = base::Clock::now();
    const std::vector<Engine*> engines = engines_on(name);
    for (auto at = device.unasked.begin(); at != device.unasked.end();) {
        const Unasked& one = at->second;
        const bool close = one.cold && now < one.at + kLookTime;
        const base::Time since = one.at - (close ? kJustNow : kFresh);
        const bool known = std::ranges::all_of(engines, [&](const Engine* engine) {
            return engine->looked >= since ||
                   (engine->silence && now < engine->silence->last + kLeftOut);
        });
        if (known) device.scheduler.ask(at->first, one.need, now);
        at = known ? device.unasked.erase(at) : std::next(at);
    }
}

void DeviceBoard::withdraw(const std::string& name, Scheduler::Ticket ticket) {
    Device& asked = device(name);
    if (asked.unasked.erase(ticket) == 0) asked.scheduler.withdraw(ticket, base::Clock::now());
    follow(name, asked);
    pulse();
}

void DeviceBoard::release(const std::string& name, Scheduler::Ticket ticket, End end) {
    if (auto driver = left_at_work(name, ticket, end))
        worker_.tasks.spawn(stop_work(name, ticket, end, std::move(driver)), [] {});
    else
        give_up(name, ticket, end);
}

/// The driver of an engine that works on for one who has left, and for nobody else of ours.
std::shared_ptr<Driver> DeviceBoard::left_at_work(const std::string& name, Scheduler::Ticket ticket,
                                                  End end) {
    if (!end.abandoned || end.failed || ending_) return nullptr;
    const auto& leases = device(name).leases;
    const auto lease = leases.find(ticket);
    if (lease == leases.end()) return nullptr;
    const std::string& key = lease->second.key.engine;
    const auto engine = engines_.find(key);
    if (engine == engines_.end() || !engine->second.driver) return nullptr;
    if (!engine->second.driver->works_on()) return nullptr;
    std::ptrdiff_t users = 0;
    for (const auto& [where, on] : devices_)
        users += std::ranges::count_if(on.leases,
                                       [&](const auto& it) { return it.second.key.engine == key; });
    return users == 1 ? engine->second.driver : nullptr;
}

net::Task<> DeviceBoard::stop_work(std::string name, Scheduler::Ticket ticket, End end,
                                   std::shared_ptr<Driver> driver) {
    co_await driver->cancel(base::Clock::now() + kStopTime);
    give_up(name, ticket, end);
}

void DeviceBoard::give_up(const std::string& name, Scheduler::Ticket ticket, End end) {
    Device& asked = device(name);
    const base::Time now = base::Clock::now();
    if (const auto cold = asked.cold.extract(ticket); !cold.empty() && end.served)
        asked.scheduler.loaded(
            ticket, std::chrono::duration_cast<base::Duration>(*end.served - cold.mapped().since),
            now);
    asked.scheduler.release(ticket, end.failed, now);
    if (const auto lease = asked.leases.extract(ticket); !lease.empty())
        lease_ended(name, lease.mapped(), end.served.has_value());
    follow(name, asked);
    pulse();
}

void DeviceBoard::lease_ended(const std::string& name, const Held& held, bool served) {
    const ModelKey& model = held.key;
    Device& on = device(name);
    const auto found = engines_.find(model.engine);
    Engine* const engine =
        found != engines_.end() && found->second.driver ? &found->second : nullptr;
    const bool own = engine && engine->site.kind == EngineSite::Kind::own;
    const bool elsewhere = engine && held.generation != generation_ &&
                           (!wanted(*engine) || !sits_on(engine->site, name));
    if (engine) {
        ++engine->released;
        if (engine->polling) engine->released_models.insert(model.model);
        if (served) engine->served = base::Clock::now();
        // It may be loading on for nobody, or end now: only the engine knows.
        if (!served || elsewhere || engine->silence) poll(*engine);
    }
    // Nobody will ever say what it holds here: its models count while they are used.
    if (engine && engine->answers && (own || !elsewhere)) return;
    on.scheduler.observed(model.engine, {}, base::Clock::now());
    if (!engines_on(name).empty()) measure_others(name, on);
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
                device.leases[action.ticket] = {action.key, generation_};
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
            next =
                std::min(next, now + (device.scheduler.anybody_waits() ? kPollWaiting : kPollCalm));
        next = std::min(next, std::max(now, device.scheduler.due()));
    }
    // Events in a row put off no look.
    if (next >= pulse_at_) return;
    pulse_at_ = next;
    pulse_.set(next);
}
std::vector<DeviceReport> DeviceBoard::report() {
    bool any = false;
    for (auto& [key, engine] : engines_)
        if (engine.site.kind == EngineSite::Kind::own) any |= poll(engine);
    if (any) after_poll();
    std::vector<DeviceReport> all;
    const base::Time now = base::Clock::now();
    for (const auto& [name, device] : devices_) {
        DeviceReport one{.name = name,
                         .view = device.scheduler.view(now),
                         .jobs = device.settings.jobs,
                         .engines = {}};
        for (const auto& [key, engine] : engines_)
            if (engine.site.device == name && there(engine))
                one.engines.push_back({key, engine.silence ? engine.silence->why.detail : "",
                                       serves(engine), engine.expires});
        all.push_back(std::move(one));
    }
    return all;
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
