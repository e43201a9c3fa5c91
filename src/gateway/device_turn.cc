#include "gateway/device_turn.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

/// Who does not wait hears from the device's thread well within this.
constexpr base::Duration kAtOnce{250};
/// Before a busy engine is looked at again, doubled each time.
constexpr base::Duration kFirstPause{250};
constexpr int kMostDoublings = 5;
/// So much must be left of the time to ask a busy engine once more.
constexpr base::Duration kWorthAsking{200};

Failure in_vain(Session& session, const config::Target& target, const device::Use& use,
                base::Duration expected, std::string why) {
    session.step().skip = route::Skip::device;
    session.step().back_in = expected;
    return {.outcome = Outcome::busy,
            .detail = fmt::format("the device {} {} {}", use.device, why, target.alias)};
}

net::Task<bool> still_there(Session& session, const config::Target& target,
                            const device::Use& use) {
    if (!session.job->stream()) co_return true;
    co_return co_await session.begin_stream() &&
        co_await session.exchange.write(
            session.comment(fmt::format("{} waits for the device {}", target.alias, use.device)));
}

}  // namespace

net::Task<std::expected<DeviceTurn, Failure>> take_turn(Session& session,
                                                        const config::Target& target,
                                                        const device::Use& use, const Trial& trial,
                                                        base::Time attempt_by) {
    const base::Duration wait = session.when_busy == device::WhenBusy::wait ? use.wait : kAtOnce;
    const bool whole = trial.last && session.when_busy == device::WhenBusy::wait;
    const base::Time by = whole ? attempt_by : std::min(attempt_by, base::Clock::now() + wait);
    const auto turn =
        session.lane.shared.devices->join(session.lane.worker.loop.get_executor(), use);
    while (!co_await turn->wait(std::min(by, base::Clock::now() + kHeartbeat), session.abort)) {
        if (base::Clock::now() >= by)
            co_return std::unexpected(in_vain(session, target, use, turn->expected(),
                                              "is taken; there was no room in time for"));
        if (!co_await still_there(session, target, use)) co_return std::unexpected(client_left());
    }
    auto lease = turn->take();
    if (lease) co_return DeviceTurn{std::move(*lease), by};
    if (lease.error().kind == base::ErrorKind::gone) co_return std::unexpected(client_left());
    if (lease.error().kind == base::ErrorKind::refused)
        co_return std::unexpected(in_vain(session, target, use, turn->expected(),
                                          "has as many requests waiting as it may; no place for"));
    session.step().skip = route::Skip::device;
    co_return std::unexpected(
        Failure{.outcome = Outcome::transient, .detail = lease.error().detail});
}

net::Task<bool> engine_calms(Session& session, const device::Use& use, int times, base::Time by) {
    const base::Duration pause = kFirstPause * (1 << std::min(times - 1, kMostDoublings));
    if (base::Clock::now() + pause + kWorthAsking >= by) co_return false;
    const bool idle = co_await session.lane.shared.devices->until_idle(
        session.lane.worker.loop.get_executor(), use, pause, by, session.abort);
    co_return idle&& base::Clock::now() + kWorthAsking < by;
}

}  // namespace gateway
