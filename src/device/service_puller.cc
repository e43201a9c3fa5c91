#include "device/service_puller.h"

#include "base/log.h"
#include "base/units.h"
#include "device/disk_room.h"
#include "device/ollama_show.h"

#include <fmt/format.h>

#include <algorithm>

namespace device {

using base::ErrorKind;
using base::Pull;
using base::log::Level;

namespace {

constexpr int kMostTries = 5;
constexpr base::Duration kFirstPause{500};
constexpr base::Duration kMostPause{60'000};
/// After a pull was given up, and between looks at a service that has all.
constexpr base::Duration kLongPause{600'000};
/// While another service fetches the same model.
constexpr base::Duration kOthersTurn{300};
constexpr base::Duration kShowEvery{250};
/// A request's word that a model is missing is not taken more often than this.
constexpr base::Duration kLookEvery{1'000};

base::Duration pause_after(int failures) {
    return std::min(kMostPause, kFirstPause * (1 << std::clamp(failures - 1, 0, 10)));
}

/// Its disk is this machine's as far as anybody can tell.
bool is_here(const net::Endpoint& endpoint) {
    net::error_code error;
    const auto address = net::asio::ip::make_address(endpoint.host, error);
    return endpoint.host == "localhost" || (!error && address.is_loopback());
}

bool hopeless(const base::Error& error) {
    return error.kind == ErrorKind::not_found || error.kind == ErrorKind::io;
}

}  // namespace

ServicePuller::ServicePuller(PullShop& shop, PullPlan::Service plan)
    : shop_(shop), plan_(std::move(plan)), timer_(shop.worker.loop.get_executor()) {
    configure(std::vector(plan_.models));
}

void ServicePuller::configure(const std::vector<PullPlan::Model>& models) {
    std::vector<Entry> entries;
    for (const PullPlan::Model& model : models) {
        Entry* const known = find(model.name);
        Entry entry =
            known ? std::move(*known)
                  : Entry{.pull = {.model = model.name, .service = plan_.url, .targets = {}}};
        entry.pull.targets = model.targets;
        if (std::exchange(entry.claims, model.claims) != model.claims) tell_differences(entry);
        entries.push_back(std::move(entry));
    }
    entries_ = std::move(entries);
    plan_.models = models;
    look_again();
}

void ServicePuller::look_again() {
    again_ = true;
    timer_.cancel();
}

void ServicePuller::retire() {
    abort_.abort();
    timer_.cancel();
}

void ServicePuller::list(std::vector<Pull>& out) const {
    for (const Entry& entry : entries_)
        if (entry.missing || entry.pull.state == Pull::State::done) out.push_back(entry.pull);
}

ServicePuller::Entry* ServicePuller::find(const std::string& model) {
    const auto found = std::ranges::find(
        entries_, model, [](const Entry& e) -> const std::string& { return e.pull.model; });
    return found == entries_.end() ? nullptr : &*found;
}

net::Task<> ServicePuller::run(std::shared_ptr<ServicePuller> self) {
    while (!self->abort_.aborted()) {
        self->again_ = false;
        auto there = co_await ollama_models(self->shop_.client, self->plan_.to, self->abort_);
        if (self->abort_.aborted()) break;
        const base::Time next =
            there ? self->note_models(*there) : self->note_silence(there.error());
        if (there) co_await self->learn();
        if (self->abort_.aborted()) break;
        Entry* const due = there ? self->next_due() : nullptr;
        if (due)
            co_await self->pull(due->pull.model);
        else
            co_await self->rest(next);
    }
}

void ServicePuller::facts(base::FactTable& out) const {
    for (const Entry& entry : entries_)
        if (entry.facts)
            for (const std::string& target : entry.pull.targets) out[target] = *entry.facts;
}

/// Asks of each model that is there and was not asked of yet. One that can't be asked now is asked
/// of at the next look.
net::Task<> ServicePuller::learn() {
    const auto unknown = [](const Entry& entry) { return !entry.missing && !entry.asked; };
    for (;;) {
        const auto next = std::ranges::find_if(entries_, unknown);
        if (next == entries_.end()) co_return;
        const std::string model = next->pull.model;
        auto facts = co_await ollama_show(shop_.client, plan_.to, model, abort_);
        if (!facts) co_return;
        Entry* const entry = find(model);
        if (!entry) continue;
        entry->asked = true;
        if (*facts == entry->facts) continue;
        entry->facts = *facts;
        tell_differences(*entry);
        shop_.learned();
    }
}

void ServicePuller::tell_differences(const Entry& entry) const {
    if (!entry.facts) return;
    for (const PullPlan::Claim& claim : entry.claims) {
        const Difference found = difference(claim, *entry.facts);
        if (found.text.empty()) continue;
        base::log::write(found.trusted_too_far ? Level::warning : Level::info,
                         "a model's service says something else than the configuration, which wins",
                         {{"target", claim.target},
                          {"model", entry.pull.model},
                          {"service", plan_.url},
                          {"detail", found.text}});
    }
}

/// Sleeps until then, or until somebody wants it to look again.
net::Task<> ServicePuller::rest(base::Time until) {
    const base::Time least = std::min(until, base::Clock::now() + kLookEvery);
    for (;;) {
        const base::Time end = again_ ? least : until;
        if (abort_.aborted() || base::Clock::now() >= end) co_return;
        timer_.expires_at(end);
        co_await timer_.async_wait(net::kAwait);
    }
}

/// Takes note of what is there and what is not. Returns when there may be something to do again.
base::Time ServicePuller::note_models(const std::set<std::string>& there) {
    silent_ = false;
    silences_ = 0;
    const base::Time now = base::Clock::now();
    base::Time next = now + kLongPause;
    for (Entry& entry : entries_) {
        Pull& pull = entry.pull;
        const bool was_missing = entry.missing;
        entry.missing = !there.contains(pull.model);
        if (entry.missing) entry.asked = false;
        if (!entry.missing) {
            if (was_missing) pull.state = Pull::State::done;
            entry.fresh = false;
            entry.tries = 0;
            pull.error.clear();
            pull.retry_at = {};
        } else if (entry.fresh) {
            entry.fresh = false;
            pull.state = Pull::State::failed;
            pull.error = "the service says that it has it, and does not list it";
            pull.retry_at = now + kLongPause;
        } else if (!was_missing) {
            pull = {.model = pull.model, .service = plan_.url, .targets = pull.targets};
        } else if (pull.state == Pull::State::failed && pull.retry_at <= now) {
            pull.state = Pull::State::waiting;
            pull.error.clear();
        }
        if (!entry.missing) continue;
        const bool others_turn = shop_.under_way.contains(pull.model);
        next = std::min(next, others_turn ? now + kOthersTurn : std::max(now, pull.retry_at));
    }
    shop_.changed();
    return next;
}

base::Time ServicePuller::note_silence(const base::Error& error) {
    const bool foreign = error.kind == ErrorKind::unsupported;
    if (!std::exchange(silent_, true))
        base::log::write(
            Level::info,
            foreign ? "nothing is pulled there" : "its models are looked at when it is up",
            {{"service", plan_.url}, {"reason", error.detail}});
    return base::Clock::now() + (foreign ? kLongPause : pause_after(++silences_));
}

ServicePuller::Entry* ServicePuller::next_due() {
    const base::Time now = base::Clock::now();
    for (Entry& entry : entries_)
        if (entry.missing && entry.pull.retry_at <= now &&
            !shop_.under_way.contains(entry.pull.model))
            return &entry;
    return nullptr;
}

void ServicePuller::log_progress(const Entry& entry, const std::string& message) const {
    const Pull& pull = entry.pull;
    std::string bytes = base::human_bytes(pull.done);
    if (pull.total) bytes += " of " + base::human_bytes(*pull.total);
    base::log::write(Level::info, message,
                     {{"model", pull.model}, {"service", plan_.url}, {"bytes", bytes}});
}

net::Task<> ServicePuller::pull(std::string model) {
    const auto begun = shop_.under_way.insert(model).first;
    Entry& entry = *find(model);
    entry.pull.state = Pull::State::pulling;
    entry.pull.at = base::Clock::now();
    meter_ = {};
    shown_tenths_ = 0;
    base::log::write(Level::info, "pull begins",
                     {{"model", model}, {"service", plan_.url}, {"try", entry.tries + 1}});
    shop_.changed();
    const PullWatch watch = [this, &model](FetchProgress progress) {
        return note_progress(model, progress);
    };
    const auto result = co_await ollama_pull(shop_.client, plan_.to, model, watch, abort_);
    shop_.under_way.erase(begun);
    if (!abort_.aborted()) note_end(model, result);
}

base::Result<void> ServicePuller::note_progress(const std::string& model, FetchProgress progress) {
    Entry* const entry = find(model);
    if (!entry) return base::fail(ErrorKind::gone, "it is not wanted any more");
    const base::Time now = base::Clock::now();
    Pull& pull = entry->pull;
    const bool grew = progress.total && progress.total != pull.total;
    if (grew && is_here(plan_.to.origin.endpoint))
        if (auto room = disk_room(shop_.data_dir, model, *progress.total - progress.done); !room)
            return room;
    meter_.add(progress.done, now);
    pull.done = progress.done;
    pull.total = progress.total;
    pull.rate = meter_.per_second();
    pull.at = now;
    const auto tenths =
        pull.total && *pull.total > 0 ? static_cast<int>(pull.done * 10 / *pull.total) : 0;
    if (tenths > shown_tenths_) log_progress(*entry, "pulling");
    shown_tenths_ = tenths;
    if (grew || now - shown_ >= kShowEvery) {
        shown_ = now;
        shop_.changed();
    }
    return {};
}

void ServicePuller::note_end(const std::string& model, const base::Result<void>& result) {
    Entry* const entry = find(model);
    if (!entry) return;
    Pull& pull = entry->pull;
    pull.at = base::Clock::now();
    pull.rate = 0;
    if (result) {
        entry->fresh = true;
        pull.error.clear();
        log_progress(*entry, "pull ended");
        return;
    }
    pull.error = result.error().detail;
    const bool over = hopeless(result.error()) || ++entry->tries >= kMostTries;
    const base::Duration pause = over ? kLongPause : pause_after(entry->tries);
    pull.retry_at = pull.at + pause;
    if (over) pull.state = Pull::State::failed;
    if (over) entry->tries = 0;
    base::log::write(over ? Level::error : Level::warning,
                     over ? "pull failed" : "pull broke off, it goes on in a moment",
                     {{"model", model},
                      {"service", plan_.url},
                      {"reason", pull.error},
                      {"again_in", base::human(pause)}});
    shop_.changed();
}

}  // namespace device
