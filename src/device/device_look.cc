#include "base/log.h"
#include "device/device_board.h"

#include <algorithm>
#include <set>

/// What the board learns from the engines, and what it makes of those that do not say what they
/// hold.
namespace device {

using base::ErrorKind;
using base::Result;

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kAnswerTime = 1s;
/// How often an engine whose leases end all the time is asked in one go.
constexpr int kMostRounds = 3;
/// Where nobody listens, or no longer, it is looked at once more after this: it may just be
/// starting again.
constexpr base::Duration kSecondLook = 300ms;
/// Before it is asked again: so long at first, then twice as long each time; no longer than this
/// while somebody waits, than that while nobody does.
constexpr base::Duration kFirstRest = 500ms;
constexpr base::Duration kRestWaitedFor = 5s;
constexpr base::Duration kLongestRest = 30s;
/// A silent engine's models are booked for so long: where the driver says what is used, and where
/// nothing does.
constexpr base::Duration kUntilMeasured = 10s;
constexpr base::Duration kUntilForgotten = 60s;
/// One that served so lately is alive, whatever it lists.
constexpr base::Duration kAlive = 30s;

}  // namespace

void DeviceBoard::look_at_all() {
    std::set<Engine*> asked;
    for (auto& [name, device] : devices_) {
        if (!device.in_use) continue;
        for (Engine* engine : engines_on(name)) asked.insert(engine);
    }
    const base::Time now = base::Clock::now();
    bool any = false;
    for (Engine* engine : asked)
        if (now >= engine->look_at) any |= poll(*engine);
    if (any) after_poll();
}

/// True: it has answered at once.
bool DeviceBoard::poll(Engine& engine) {
    if (engine.polling || ending_ || !engine.driver) return false;
    if (const auto holdings = engine.driver->at_once()) {
        answered(engine, *holdings);
        return true;
    }
    engine.polling = true;
    worker_.tasks.spawn(poll_task(engine.site.key), [] {});
    return false;
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
        engine.released_models.clear();
        holdings = co_await look(driver);
    } while (holdings && released != engine.released && ++rounds < kMostRounds && !ending_);
    engine.polling = false;
    if (!engine.driver) co_return;  // a reload took it out
    if (holdings)
        answered(engine, *holdings);
    else
        silent(engine, std::move(holdings.error()));
    after_poll();
}

void DeviceBoard::answered(Engine& engine, const std::vector<Holding>& holdings) {
    if (engine.silence)
        base::log::write(base::log::Level::info, "engine answers again",
                         {{"engine", engine.site.key}});
    engine.silence.reset();
    engine.answers = true;
    engine.looked = base::Clock::now();
    engine.look_at = engine.looked + kPollBusy;
    observed(engine, holdings);
    // A child of ours that a reload took out, and that is gone now.
    if (!wanted(engine) && engine.seen_on.empty()) engine.driver.reset();
}

/// What an engine holds, device by device; nothing on those where it has nothing.
void DeviceBoard::observed(Engine& engine, const std::vector<Holding>& holdings) {
    const EngineSite& site = engine.site;
    std::map<std::string, std::vector<Resident>> found;
    std::map<std::string, std::set<std::string>> loaded;
    engine.expires.clear();
    for (const Holding& one : holdings) {
        if (!one.expires.empty()) engine.expires[one.model] = one.expires;
        const auto known = site.models.find(one.model);
        const std::string& where = !one.device.empty()          ? one.device
                                   : known != site.models.end() ? known->second.device
                                                                : site.device;
        if (!one.loading && !one.leaving) loaded[where].insert(one.model);
        std::uint64_t bytes = where == "cpu" ? one.ram + one.vram : one.vram;
        if ((bytes == 0 || one.loading) && known != site.models.end()) bytes = known->second.bytes;
        found[where].push_back({one.model, bytes, one.busy, one.loading, one.leaving});
        // A model that did not fit on the GPU lies in main memory for the rest.
        if (where != "cpu" && site.kind == EngineSite::Kind::ollama && one.ram > 0)
            found["cpu"].push_back({one.model, one.ram, one.busy, one.loading, one.leaving});
    }
    engine.seen_on.clear();
    for (const auto& [name, residents] : found) engine.seen_on.insert(name);
    const base::Time now = base::Clock::now();
    for (auto& [name, device] : devices_) {
        settle_cold(device, site.key, loaded[name]);
        device.scheduler.observed(site.key, std::move(found[name]), now, engine.released_models);
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

/// What is used on the device beyond our engines' models, of the part that is ours to give; with
/// what `without` holds and nobody leases among it. nullopt: it can't be measured, also while
/// something loads or leaves, whose memory would be counted twice.
std::optional<std::uint64_t> DeviceBoard::others_on(const std::string& name, const Device& device,
                                                    const std::string& without) const {
    if (!device.cold.empty() || device.evictions > 0) return std::nullopt;
    const auto reading = memory_of(name, device.settings);
    const Scheduler::View view = device.scheduler.view(base::Clock::now());
    if (!reading || !view.budget) return std::nullopt;
    std::uint64_t ours = view.used;
    for (const auto& model : view.models)
        if (model.key.engine == without && model.leases == 0) ours -= model.bytes;
    const std::uint64_t left = reading->total - std::min(reading->total, reading->used);
    return *view.budget - std::min(*view.budget, ours + left);
}

void DeviceBoard::measure_others(const std::string& name, Device& device) {
    if (const auto others = others_on(name, device, ""))
        device.scheduler.others(*others, base::Clock::now());
}

void DeviceBoard::after_poll() {
    const base::Time now = base::Clock::now();
    for (auto& [name, device] : devices_) {
        if (!device.in_use) continue;
        measure_others(name, device);
        admit(name, device);
        follow(name, device);
        const Scheduler::View view = device.scheduler.view(now);
        device.in_use = !view.models.empty() || !view.waiting.empty() || !device.unasked.empty();
    }
    pulse();
}

/// What it holds; where its process seems to be gone only after a second look.
net::Task<Result<std::vector<Holding>>> DeviceBoard::look(std::shared_ptr<Driver> driver) {
    auto holdings = co_await driver->holdings(base::Clock::now() + kAnswerTime);
    const bool broken = !holdings && (holdings.error().kind == ErrorKind::not_found ||
                                      holdings.error().kind == ErrorKind::reset);
    if (broken && !ending_) {
        co_await net::sleep_until(worker_.loop.get_executor(), base::Clock::now() + kSecondLook);
        holdings = co_await driver->holdings(base::Clock::now() + kAnswerTime);
    }
    co_return holdings;
}

/// It could not be asked. Its models stay booked, and are not sent away, until it answers or
/// nothing speaks for their being there any more.
void DeviceBoard::silent(Engine& engine, base::Error why) {
    const base::Time now = base::Clock::now();
    const std::string& key = engine.site.key;
    if (why.detail.empty()) why.detail = "no answer";
    if (!engine.silence) {
        base::log::write(base::log::Level::warning, "engine can't be asked what it holds",
                         {{"engine", key}, {"detail", why.detail}});
        engine.silence.emplace(Silence{.since = now});
    }
    Silence& silence = *engine.silence;
    silence.why = std::move(why);
    silence.last = now;
    silence.rest = std::clamp(silence.rest * 2, kFirstRest,
                              waited_for(engine) ? kRestWaitedFor : kLongestRest);
    engine.look_at = now + silence.rest;
    for (auto& [name, device] : devices_) {
        // Main memory that a model is mapped from does not look used.
        const auto others = name == "cpu" ? std::nullopt : others_on(name, device, key);
        if (holds_nothing(engine, others.has_value(), now))
            device.scheduler.lost(key, others, now);
        else
            device.scheduler.unreachable(key, now);
    }
}

bool DeviceBoard::holds_nothing(const Engine& engine, bool measured, base::Time now) const {
    if (engine.silence->why.kind == ErrorKind::not_found) return true;
    const base::Time heard = std::max(engine.silence->since, engine.served);
    return now - heard >= (measured ? kUntilMeasured : kUntilForgotten);
}

bool DeviceBoard::waited_for(const Engine& engine) {
    return std::ranges::any_of(devices_, [&](const auto& entry) {
        const auto& [name, device] = entry;
        return device.scheduler.anybody_waits() &&
               std::ranges::count(engines_on(name), &engine) > 0;
    });
}

/// Somebody may need what it holds: it is asked as if it had just fallen silent.
void DeviceBoard::hurry(Engine& engine) {
    if (!engine.silence) return;
    engine.silence->rest = base::Duration(0);
    engine.look_at = std::min(engine.look_at, engine.silence->last + kFirstRest);
}

bool DeviceBoard::serves(const Engine& engine) const {
    if (!engine.silence || engine.silence->why.kind == ErrorKind::not_found) return false;
    const bool lately = engine.served + kAlive > base::Clock::now();
    return lately || engine.silence->why.kind == ErrorKind::protocol;
}

}  // namespace device
