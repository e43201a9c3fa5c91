#include "device/engine.h"

#include "base/units.h"

#include <algorithm>

namespace device {

using base::Duration;
using base::Error;
using base::ErrorKind;
using base::Time;

namespace {

constexpr Duration kFirstBackoff{1'000};
constexpr Duration kMaxBackoff{60'000};
/// Ready for this long: whatever failed before is over.
constexpr Duration kProven{60'000};
/// From SIGTERM to SIGKILL.
constexpr Duration kGrace{5'000};

Duration backoff(int failures) {
    if (failures <= 0) return Duration(0);
    return std::min(kMaxBackoff, kFirstBackoff * (1 << std::min(failures - 1, 10)));
}

}  // namespace

std::string_view name(EngineState state) {
    switch (state) {
        case EngineState::stopped: return "stopped";
        case EngineState::starting: return "starting";
        case EngineState::ready: return "ready";
        case EngineState::stopping: return "stopping";
        case EngineState::failed: return "failed";
    }
    return "unknown";
}

void Engine::ask(Ticket ticket, Time now) {
    if (retired_) {
        actions_.push_back({Action::Kind::refuse,
                            ticket,
                            {ErrorKind::not_found, "there is no engine " + spec_.name}});
        return;
    }
    if (state_ == EngineState::ready && !outdated()) {
        leases_.insert(ticket);
        actions_.push_back({Action::Kind::grant, ticket});
        return;
    }
    if (state_ == EngineState::failed && now < retry_at_) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(retry_at_ - now);
        actions_.push_back({Action::Kind::refuse,
                            ticket,
                            {ErrorKind::io, last_error_ + "; next try in " + base::human(left)}});
        return;
    }
    waiters_.push_back(ticket);
    if (!running()) start(now);
}

void Engine::withdraw(Ticket ticket) {
    std::erase(waiters_, ticket);
    std::erase(enders_, ticket);
}

void Engine::release(Ticket ticket, Work work, Time now) {
    if (leases_.erase(ticket) == 0) return;
    if (leases_.empty()) idle_since_ = now;
    if (leases_.empty() && work == Work::unfinished && spec_.kill_on_hangup) kill_process(now);
    settle(now);
}

void Engine::became_ready(Time now) {
    if (state_ != EngineState::starting) return;
    state_ = EngineState::ready;
    since_ = idle_since_ = now;
    for (const Ticket ticket : waiters_) {
        leases_.insert(ticket);
        actions_.push_back({Action::Kind::grant, ticket});
    }
    waiters_.clear();
}

void Engine::exited(const std::string& reason, Time now) {
    if (!running()) return;
    leases_.clear();
    confirm_end();
    if (state_ == EngineState::stopping && fault_.empty()) {
        state_ = EngineState::stopped;
        since_ = now;
    } else {
        const bool was_ready = state_ == EngineState::ready;
        if (was_ready && now - since_ >= kProven) failures_ = 0;
        ++failures_;
        // One crash of an engine that did serve is no reason to keep the next caller waiting.
        const Duration pause = backoff(was_ready ? failures_ - 1 : failures_);
        fail(fault_.empty() ? spec_.name + ' ' + reason : fault_, pause, now);
    }
    settle(now);
}

void Engine::could_not_start(Error error, Time now) {
    confirm_end();
    fail(std::move(error.detail), Duration(0), now);
    settle(now);
}

void Engine::fail(std::string reason, Duration pause, Time now) {
    state_ = EngineState::failed;
    since_ = now;
    retry_at_ = now + pause;
    last_error_ = std::move(reason);
    if (!next_) refuse_waiters({ErrorKind::io, last_error_});
}

void Engine::start(Time now) {
    if (state_ == EngineState::failed && failures_ > 0) ++restarts_;
    state_ = EngineState::starting;
    since_ = now;
    killed_ = false;
    fault_.clear();
    actions_.push_back({Action::Kind::start});
}

void Engine::terminate(Time now) {
    state_ = EngineState::stopping;
    since_ = now;
    killed_ = false;
    actions_.push_back({Action::Kind::terminate});
}

void Engine::tick(Time now) {
    if (now < due()) return;
    switch (state_) {
        case EngineState::starting:
            fault_ = spec_.name + " was not ready within " + base::human(spec_.start_timeout);
            refuse_waiters({ErrorKind::io, fault_});
            terminate(now);
            break;
        case EngineState::ready: terminate(now); break;
        case EngineState::stopping:
            killed_ = true;
            actions_.push_back({Action::Kind::kill});
            break;
        case EngineState::stopped:
        case EngineState::failed: break;
    }
}

Time Engine::due() const {
    switch (state_) {
        case EngineState::starting: return since_ + spec_.start_timeout;
        case EngineState::ready:
            return leases_.empty() && spec_.ttl > Duration(0) ? idle_since_ + spec_.ttl
                                                              : Time::max();
        case EngineState::stopping: return killed_ ? Time::max() : since_ + kGrace;
        case EngineState::stopped:
        case EngineState::failed: break;
    }
    return Time::max();
}

void Engine::configure(EngineSpec spec, Time now) {
    retired_ = false;
    next_.reset();
    spec_.sharing = spec.sharing;  // where it would look for its files next: it has them open
    if (spec != spec_) next_ = std::move(spec);
    settle(now);
}

void Engine::retire(Time now) {
    retired_ = true;
    next_.reset();
    refuse_waiters(
        {ErrorKind::not_found, "the engine " + spec_.name + " was taken out of the configuration"});
    settle(now);
}

void Engine::shut_down(Time now) {
    retired_ = true;
    next_.reset();
    refuse_waiters({ErrorKind::gone, "freeway is shutting down"});
    if (state_ == EngineState::starting || state_ == EngineState::ready) terminate(now);
}

void Engine::unload(Ticket ticket, Time now) {
    if (!leases_.empty() || !waiters_.empty()) {
        actions_.push_back({Action::Kind::refuse,
                            ticket,
                            {ErrorKind::refused, spec_.name + " is in use: it is not unloaded"}});
        return;
    }
    enders_.push_back(ticket);
    if (!running()) return confirm_end();
    if (state_ != EngineState::stopping) terminate(now);
}

void Engine::make_way(Ticket ticket, Time now) {
    enders_.push_back(ticket);
    if (!running()) return confirm_end();
    settle(now);
}

void Engine::kill(Ticket ticket, Time now) {
    enders_.push_back(ticket);
    refuse_waiters({ErrorKind::refused, "the start of " + spec_.name + " was cancelled"});
    if (!running()) return confirm_end();
    kill_process(now);
}

void Engine::kill_process(Time now) {
    if (state_ != EngineState::stopping) {
        state_ = EngineState::stopping;
        since_ = now;
    }
    if (killed_) return;
    killed_ = true;
    actions_.push_back({Action::Kind::kill});
}

void Engine::confirm_end() {
    for (const Ticket ticket : enders_) actions_.push_back({Action::Kind::confirm, ticket});
    enders_.clear();
}

/// Brings what runs into line with what is wanted, as soon as nobody uses it.
void Engine::settle(Time now) {
    const bool unused =
        state_ == EngineState::starting || (state_ == EngineState::ready && leases_.empty());
    if ((outdated() || !enders_.empty()) && unused) terminate(now);
    if (running()) return;
    if (next_) {
        spec_ = *std::exchange(next_, std::nullopt);
        state_ = EngineState::stopped;
        failures_ = 0;
    }
    if (!waiters_.empty()) start(now);
}

void Engine::refuse_waiters(const Error& error) {
    for (const Ticket ticket : waiters_) actions_.push_back({Action::Kind::refuse, ticket, error});
    waiters_.clear();
}

}  // namespace device
