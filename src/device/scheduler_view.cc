#include "device/scheduler.h"

#include <algorithm>
#include <limits>
#include <ranges>

namespace device {

using base::Duration;
using base::Time;

namespace {

/// What unloading is taken to cost: a moment, as a rule.
constexpr Duration kUnload{1'000};
/// Where nothing is known to end: a model in use by others, a program that holds the memory.
constexpr Duration kNobodyKnows{30'000};
constexpr Duration kShortest{1'000};
constexpr int kMostSteps = 1'000;

/// Until leases on a model were measured.
Duration usual_lease(Priority priority) {
    switch (priority) {
        case Priority::quick: return Duration(2'000);
        case Priority::chat: return Duration(15'000);
        case Priority::image: return Duration(30'000);
    }
    return Duration(15'000);
}

Duration since(Time then, Time now) {
    return std::max(Duration(0), std::chrono::duration_cast<Duration>(now - then));
}

}  // namespace

/// Plays on with a copy of the scheduler, every lease, load and eviction taking what it usually
/// takes, until one further request is granted. So the estimate follows the very rules that the
/// waiters are served by.
class Scheduler::Forecast {
public:
    Forecast(const Scheduler& scheduler, Time now)
        : past_(scheduler), copy_(scheduler), start_(now), now_(now) {
        copy_.actions_.clear();
        copy_.terms_.most_waiting = copy_.waiting_.size() + 1;
        for (const auto& [ticket, lease] : copy_.leases_) ends_.emplace(end_of(lease), ticket);
        for (const auto& [key, model] : copy_.residency_.models())
            if (model.evicting) gone_.emplace(now + kUnload, key);
    }

    Duration wait(const Need& need) {
        copy_.ask(kProbe, need, now_);
        for (int step = 0; step < kMostSteps; ++step) {
            if (granted())
                return step == 0 ? Duration(0) : std::max(kShortest, since(start_, now_));
            if (!advance()) break;
        }
        return std::max(kNobodyKnows, since(start_, now_));
    }

private:
    static constexpr Ticket kProbe = std::numeric_limits<Ticket>::max();

    Time end_of(const Lease& lease) const {
        const Residency::Model* model = past_.residency_.find(lease.key);
        const Duration usual =
            model && model->lease_time ? *model->lease_time : usual_lease(lease.priority);
        const bool loads = !lease.served && copy_.residency_.find(lease.key)->settling;
        const Duration load = loads ? copy_.residency_.load_time(lease.key, 0) : lease.load;
        const Duration all = usual + load;
        // One that is late already is not over at once.
        return now_ + std::max(all - since(lease.since, now_), usual / 4);
    }

    bool granted() {
        bool found = false;
        for (const Action& action : copy_.take_actions()) {
            if (action.kind == Action::Kind::evict) gone_.emplace(now_ + kUnload, action.key);
            if (action.kind != Action::Kind::grant) continue;
            found |= action.ticket == kProbe;
            ends_.emplace(end_of(copy_.leases_.at(action.ticket)), action.ticket);
        }
        return found;
    }

    /// The next thing that happens; false if nothing will.
    bool advance() {
        const Time lease_ends = ends_.empty() ? Time::max() : ends_.begin()->first;
        const Time model_gone = gone_.empty() ? Time::max() : gone_.begin()->first;
        const Time next = std::min({lease_ends, model_gone, copy_.due()});
        if (next == Time::max()) return false;
        now_ = std::max(now_, next);
        if (next == lease_ends) {
            const Ticket ticket = ends_.extract(ends_.begin()).mapped();
            copy_.loaded(ticket, std::nullopt, now_);
            copy_.release(ticket, false, now_);
        } else if (next == model_gone) {
            copy_.evicted(gone_.extract(gone_.begin()).mapped(), now_);
        } else {
            copy_.tick(now_);
        }
        return true;
    }

    const Scheduler& past_;
    Scheduler copy_;
    Time start_;
    Time now_;
    std::multimap<Time, Ticket> ends_;
    std::multimap<Time, ModelKey> gone_;
};

Duration Scheduler::expected_wait(const Need& need, Time now) const {
    return Forecast(*this, now).wait(need);
}

Scheduler::View Scheduler::view(Time now) const {
    View view{terms_.budget, 0, residency_.others(), {}, {}, residency_.troubled()};
    for (const auto& [key, model] : residency_.models()) {
        if (!model.counted()) continue;
        const std::uint64_t bytes = residency_.known_bytes(model);
        const bool idle = model.leases == 0 && !model.busy;
        view.used += bytes;
        const bool loaded = model.presence == Residency::Presence::seen && !model.loading;
        view.models.push_back({key, bytes, loaded, model.evicting || model.leaving, model.leases,
                               idle ? since(model.idle_since, now) : Duration(0)});
    }
    for (const Ticket ticket : in_turn()) {
        const Waiter& waiter = waiting_.at(ticket);
        view.waiting.push_back(
            {ticket, waiter.need.key, waiter.need.priority, since(waiter.since, now)});
    }
    return view;
}

}  // namespace device
