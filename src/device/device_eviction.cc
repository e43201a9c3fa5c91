#include "base/log.h"
#include "device/device_board.h"

#include <algorithm>

/// How models leave a device: for others by the scheduler's word, or because somebody asks for it.
namespace device {

using base::ErrorKind;
using base::Result;

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kPollTime = 1s;
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

net::Task<Result<bool>> DeviceBoard::holds(std::shared_ptr<Driver> driver, std::string model,
                                           base::Time by) {
    auto holdings = co_await driver->holdings(by);
    if (!holdings && holdings.error().kind == ErrorKind::not_found) co_return false;
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
    const bool own = found->second.site.kind == EngineSite::Kind::own;  // free once it has ended
    auto asked = co_await driver->unload(key.model, base::Clock::now() + kUnloadTime);
    if (!asked && asked.error().kind != ErrorKind::not_found) co_return asked;
    const base::Time by = base::Clock::now() + kGoneTime;
    for (;;) {
        auto still = co_await holds(driver, key.model, base::Clock::now() + kPollTime);
        if (still && !*still) break;
        if (base::Clock::now() >= by || ending_)
            co_return base::fail(ErrorKind::timed_out,
                                 still ? "it still holds the model" : said(still.error()));
        co_await net::sleep_until(worker_.loop.get_executor(), base::Clock::now() + kGoneStep);
    }
    if (name == "cpu") co_return Result<void>();
    if (before)
        co_await until_memory_returns(name, before->used, bytes);
    else if (!own)
        co_await let_settle(base::Clock::now() + device(name).settings.settle);
    co_return Result<void>();
}

/// No driver says when memory is back.
net::Task<> DeviceBoard::let_settle(base::Time until) {
    for (base::Time now; (now = base::Clock::now()) < until && !ending_;)
        co_await net::sleep_until(worker_.loop.get_executor(), std::min(until, now + kGoneStep));
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

bool DeviceBoard::leased(const ModelKey& key) const {
    for (const auto& [name, device] : devices_)
        for (const auto& model : device.scheduler.view(base::Clock::now()).models)
            if (model.key == key && model.leases > 0) return true;
    return false;
}

net::Task<> DeviceBoard::unload_model(std::string name, ModelKey key) {
    const auto found = engines_.find(key.engine);
    if (found == engines_.end() || !found->second.driver) co_return;
    const auto there =
        co_await holds(found->second.driver, key.model, base::Clock::now() + kPollTime);
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
    UnloadReport out{.engine = key, .device = site.device, .unloaded = {}, .error = {}};
    const auto driver = engines_.at(key).driver;
    if (!driver) {
        out.status = Unloading::skipped;
        co_return out;
    }
    auto holdings = co_await look(driver);
    if (!holdings) {
        out.status =
            holdings.error().kind == ErrorKind::not_found ? Unloading::gone : Unloading::error;
        out.error = said(holdings.error());
        const auto asked = engines_.find(key);
        if (asked != engines_.end() && asked->second.driver == driver)
            silent(asked->second, std::move(holdings.error()));
        co_return out;
    }
    if (holdings->empty()) out.status = Unloading::empty;
    for (const Holding& one : *holdings) {
        const ModelKey model{key, one.model};
        if (ending_) break;
        if (one.busy || leased(model)) {
            out.status = Unloading::busy;
            continue;
        }
        if (auto gone = co_await send_away(site.device, model)) {
            out.unloaded.push_back(one.model);
        } else {
            out.status = Unloading::error;
            out.error = said(gone.error());
        }
    }
    co_return out;
}

net::Task<std::vector<UnloadReport>> DeviceBoard::unload(std::string only) {
    std::vector<std::string> keys;
    for (const auto& [key, engine] : engines_)
        if (there(engine)) keys.push_back(key);
    std::vector<UnloadReport> all;
    for (const std::string& key : keys) {
        if (ending_) break;
        if (!engines_.contains(key)) continue;
        if (auto one = co_await unload_engine(key, only)) all.push_back(std::move(*one));
        if (const auto engine = engines_.find(key); engine != engines_.end()) poll(engine->second);
        after_poll();
    }
    co_return all;
}

}  // namespace device
