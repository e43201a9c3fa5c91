#include "base/log.h"
#include "device/device_board.h"

#include <algorithm>

/// What the board makes of engines that do not say what they hold.
namespace device {

using base::ErrorKind;
using base::Result;

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kAnswerTime = 1s;
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
