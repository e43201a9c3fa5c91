#include "device/scheduler.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <ranges>
#include <tuple>

namespace device {

using base::Duration;
using base::Error;
using base::ErrorKind;
using base::Time;

namespace {

/// By how much a request is taken to have come later than it did: ageing without ever re-sorting.
Duration handicap(Priority priority, Duration patience) {
    switch (priority) {
        case Priority::quick: return Duration(0);
        case Priority::chat: return patience / 2;
        case Priority::image: return patience;
    }
    return patience;
}

Error too_large(const Need& need, std::int64_t bytes, std::uint64_t budget) {
    constexpr double kGigabyte = 1e9;
    return {ErrorKind::too_large,
            fmt::format("{} takes {:.1f} GB and the device has {:.1f} GB in all; use a smaller "
                        "model or state a larger budget",
                        need.key.model, static_cast<double>(bytes) / kGigabyte,
                        static_cast<double>(budget) / kGigabyte)};
}

}  // namespace

/// What is left to give while the waiters are visited in their turn. Memory is counted twice:
/// `soon` once all evictions under way are done, `later` once also those have left that are in
/// use and must go; either way less what those before in turn will take.
struct Scheduler::Outlook {
    int jobs;
    std::int64_t soon;
    std::int64_t later;
    std::set<ModelKey> leaving;
    std::set<ModelKey> promised;  ///< models that room is being made for
};

std::string_view name(Priority priority) {
    switch (priority) {
        case Priority::quick: return "quick";
        case Priority::chat: return "chat";
        case Priority::image: return "image";
    }
    return "unknown";
}

Scheduler::Scheduler(Terms terms) : terms_(terms) { residency_.set_budget(terms.budget); }

void Scheduler::ask(Ticket ticket, Need need, Time now) {
    waiting_[ticket] = {std::move(need), now, arrivals_, arrivals_};
    ++arrivals_;
    if (waiting_.size() > terms_.most_waiting) {
        settle(now, Evictions::plan_only);
        if (waiting_.size() > terms_.most_waiting && waiting_.contains(ticket))
            refuse(ticket,
                   {ErrorKind::refused,
                    fmt::format("{} requests wait for this device already", terms_.most_waiting)});
    }
    settle(now);
}

void Scheduler::withdraw(Ticket ticket, Time now) {
    if (waiting_.erase(ticket) > 0) settle(now);
}

void Scheduler::loaded(Ticket ticket, std::optional<Duration> took, Time now) {
    const auto lease = leases_.find(ticket);
    if (lease == leases_.end() || lease->second.served) return;
    lease->second.served = true;
    lease->second.load = took.value_or(Duration(0));
    residency_.loaded(lease->second.key, took);
    settle(now);
}

void Scheduler::release(Ticket ticket, bool failed, Time now) {
    const auto lease = leases_.extract(ticket);
    if (!lease) return;
    const auto& [key, priority, since, load, cold, served] = lease.mapped();
    const auto held = std::chrono::duration_cast<Duration>(now - since);
    if (served || (!cold && !failed))
        residency_.lease_took(key, std::max(Duration(0), held - load));
    residency_.release(key, failed, now);
    settle(now);
}

void Scheduler::configure(Terms terms, Time now) {
    terms_ = terms;
    residency_.set_budget(terms.budget);
    settle(now);
}

void Scheduler::others(std::uint64_t bytes, Time now) {
    residency_.set_others(bytes);
    settle(now);
}

void Scheduler::observed(const std::string& engine, std::vector<Resident> residents, Time now,
                         const std::set<std::string>& in_doubt) {
    residency_.observed(engine, residents, in_doubt, now);
    settle(now);
}

void Scheduler::unreachable(const std::string& engine, Time now) {
    residency_.unreachable(engine);
    settle(now);
}

void Scheduler::lost(const std::string& engine, std::optional<std::uint64_t> bytes, Time now) {
    residency_.observed(engine, {}, {}, now);
    if (bytes) residency_.set_others(*bytes);
    settle(now);
}

void Scheduler::evicted(const ModelKey& key, Time now) {
    residency_.evicted(key);
    settle(now);
}

void Scheduler::eviction_failed(const ModelKey& key, std::string reason, Time now) {
    residency_.eviction_failed(key, std::move(reason), now);
    settle(now);
}

void Scheduler::tick(Time now) { settle(now); }

Time Scheduler::due() const {
    Time due = residency_.due();
    for (const Waiter& waiter : waiting_ | std::views::values)
        if (!waiter.impatient) due = std::min(due, waiter.since + terms_.patience);
    return due;
}

bool Scheduler::resident(const ModelKey& key) const {
    const Residency::Model* model = residency_.find(key);
    return model && model->usable();
}

/// Brings leases and evictions into line with who waits and what is there.
void Scheduler::settle(Time now, Evictions evictions) {
    residency_.wake(now);
    for (Waiter& waiter : waiting_ | std::views::values)
        waiter.impatient = now - waiter.since >= terms_.patience;
    refuse_what_never_fits();
    while (visit(evictions, now)) {
    }
}

void Scheduler::refuse_what_never_fits() {
    std::vector<Ticket> never;
    for (const auto& [ticket, waiter] : waiting_) {
        const Need& need = waiter.need;
        const Residency::Model* model = residency_.find(need.key);
        if (model && model->usable()) continue;
        if (residency_.never_fits(need.key, need.bytes)) never.push_back(ticket);
    }
    for (const Ticket ticket : never) {
        const Need& need = waiting_.at(ticket).need;
        refuse(ticket, too_large(need, residency_.footprint(need.key, need.bytes), *terms_.budget));
    }
}

/// Grants in turn what can be granted and makes room for what can't. True after a grant that
/// took memory: everything has to be looked at anew.
bool Scheduler::visit(Evictions evictions, Time now) {
    Outlook left = outlook();
    for (const Ticket ticket : in_turn()) {
        if (left.jobs <= 0) return false;
        const Waiter& waiter = waiting_.at(ticket);
        const Residency::Model* model = residency_.find(waiter.need.key);
        if (model && model->usable()) {
            if (!may_join(waiter, left)) continue;
            grant(ticket, now);
            --left.jobs;
        } else if (fits(waiter, left)) {
            grant(ticket, now);
            return true;
        } else if (!left.promised.contains(waiter.need.key)) {
            make_room(ticket, left, evictions, now);
        }
    }
    return false;
}

/// The impatient by arrival; then those whose model is there, which cost nothing; then the rest.
std::vector<Scheduler::Ticket> Scheduler::in_turn() const {
    std::vector<std::tuple<int, Time, std::uint64_t, std::uint64_t, Ticket>> order;
    for (const auto& [ticket, waiter] : waiting_) {
        const Residency::Model* model = residency_.find(waiter.need.key);
        const bool joins = model && model->usable();
        const int group = waiter.impatient ? 0 : joins ? 1 : 2;
        const Time aged = waiter.since + handicap(waiter.need.priority, terms_.patience);
        order.emplace_back(group, waiter.impatient ? Time() : aged, waiter.turn, waiter.arrival,
                           ticket);
    }
    std::ranges::sort(order);
    std::vector<Ticket> tickets;
    for (const auto& entry : order) tickets.push_back(std::get<4>(entry));
    return tickets;
}

Scheduler::Outlook Scheduler::outlook() const {
    std::int64_t memory = residency_.free();
    for (const Residency::Model& model : residency_.models() | std::views::values)
        if (model.evicting) memory += residency_.bytes(model);
    const int jobs = terms_.jobs > 0 ? terms_.jobs - static_cast<int>(leases_.size())
                                     : std::numeric_limits<int>::max();
    return {jobs, memory, memory, {}, {}};
}

bool Scheduler::may_join(const Waiter& waiter, const Outlook& left) const {
    const Need& need = waiter.need;
    const Residency::Model& model = *residency_.find(need.key);
    // Its load may have ended or may yet fail, and others have taken the memory: its engine has
    // to show it first.
    if (model.presence == Residency::Presence::expected && residency_.free() < 0) return false;
    const bool slot = need.slots <= 0 || model.leases < need.slots;
    return slot && !left.leaving.contains(need.key);
}

/// There is room now, and nobody before in turn is to get it.
bool Scheduler::fits(const Waiter& waiter, const Outlook& left) const {
    const Need& need = waiter.need;
    const Residency::Model* model = residency_.find(need.key);
    if (model && model->counted()) return false;  // on its way out
    const std::int64_t bytes = residency_.footprint(need.key, need.bytes);
    if (bytes > std::min({residency_.free(), left.soon, left.later})) return false;
    const auto taken = std::ranges::count_if(residency_.models(), [&](const auto& entry) {
        return entry.first.engine == need.key.engine && entry.second.counted();
    });
    return need.engine_models <= 0 ||
           (taken < need.engine_models && places_lacking(need, left) <= 0);
}

/// How many models too many its engine would hold once all that is to leave has left.
int Scheduler::places_lacking(const Need& need, const Outlook& left) const {
    if (need.engine_models <= 0) return 0;
    int taken = 0;
    for (const auto& [key, model] : residency_.models())
        if (key.engine == need.key.engine && model.usable() && !left.leaving.contains(key)) ++taken;
    for (const ModelKey& key : left.promised)
        if (key.engine == need.key.engine) ++taken;
    return taken + 1 - need.engine_models;
}

/// Sends idle models away if that is enough. If models in use would have to go as well, an
/// impatient waiter at least sees to it that nobody behind it keeps them in use.
void Scheduler::make_room(Ticket ticket, Outlook& left, Evictions evictions, Time now) {
    const Waiter& waiter = waiting_.at(ticket);
    const Need& need = waiter.need;
    const std::int64_t bytes = residency_.footprint(need.key, need.bytes);
    const int places = places_lacking(need, left);
    auto victims = residency_.victims({need.key, bytes - std::min(left.soon, left.later), places},
                                      left.leaving, std::nullopt, now);
    const bool at_once = victims.has_value();
    if (!at_once && waiter.impatient)
        victims =
            residency_.victims({need.key, bytes - left.later, places}, left.leaving, ticket, now);
    if (!victims) return;

    for (const ModelKey& key : *victims) {
        const std::int64_t freed = residency_.bytes(*residency_.find(key));
        left.leaving.insert(key);
        left.later += freed;
        if (!at_once) {
            residency_.drain(key, ticket);
            continue;
        }
        left.soon += freed;
        if (evictions == Evictions::plan_only) continue;
        residency_.evict(key);
        actions_.push_back({Action::Kind::evict, 0, key, false, {}});
    }
    left.later -= bytes;
    if (at_once) {
        left.soon -= bytes;
        --left.jobs;
    }
    left.promised.insert(need.key);
}

void Scheduler::grant(Ticket ticket, Time now) {
    const auto node = waiting_.extract(ticket);
    const Waiter& waiter = node.mapped();
    const bool cold = residency_.claim(waiter.need.key, waiter.need.bytes, now);
    if (cold && waiter.impatient && waiter.turn == waiter.arrival) take_along(waiter);
    leases_[ticket] = {waiter.need.key, waiter.need.priority, now, Duration(0), cold};
    actions_.push_back({Action::Kind::grant, ticket, waiter.need.key, cold, {}});
}

/// Under overload everybody is impatient, and serving by arrival alone would load a model for
/// each request. Those that waited too long for the same model go with the first of them. They
/// take nobody along themselves, so those behind wait for a bounded number of leases.
void Scheduler::take_along(const Waiter& first) {
    for (Waiter& waiter : waiting_ | std::views::values)
        if (waiter.impatient && waiter.need.key == first.need.key)
            waiter.turn = std::min(waiter.turn, first.turn);
}

void Scheduler::refuse(Ticket ticket, Error error) {
    waiting_.erase(ticket);
    actions_.push_back({Action::Kind::refuse, ticket, {}, false, std::move(error)});
}

}  // namespace device
