#include "device/supervisor.h"

#include "base/log.h"
#include "device/mailbox.h"
#include "device/runner.h"
#include "device/turns.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <ranges>
#include <thread>

namespace device {

using base::ErrorKind;
using base::Result;

namespace asio = net::asio;

namespace {

base::Error shutting_down() { return {ErrorKind::gone, "freeway is shutting down"}; }

}  // namespace

struct Supervisor::Impl {
    /// A caller on a worker's thread, who waits for its lease.
    using Waiter = Errand<Result<Lease>>;

    /// What is asked for and not answered yet.
    struct Asked {
        Order order;
        std::string engine;
        WhenBusy when_busy;
        std::shared_ptr<Waiter> waiter;
    };

    /// What a Lease keeps alive: its end is a message.
    struct Hold {
        std::shared_ptr<Mailbox> mailbox;
        Impl& impl;  ///< touched on the supervisor's thread alone
        std::string engine;
        Engine::Ticket ticket;
        std::shared_ptr<const bool> unfinished;
        ~Hold() {
            const auto work = *unfinished ? Engine::Work::unfinished : Engine::Work::done;
            mailbox->post([&to = impl, name = std::move(engine), id = ticket, work] {
                to.release(name, id, work);
            });
        }
    };

    /// A caller's stay in the queue: leaving it, in whatever way, is a message.
    struct Stay {
        Impl& impl;
        Waiter& waiter;
        const std::string& engine;
        Engine::Ticket ticket;
        ~Stay() {
            if (waiter.value()) return;
            impl.mailbox->post([&to = impl, name = engine, id = ticket] { to.withdraw(name, id); });
        }
    };

    Impl(std::string data_dir, std::vector<std::string> roots)
        : places{std::move(data_dir), std::move(roots)},
          workshop{worker, client, places,
                   [this](Engine::Ticket ticket, Result<std::uint16_t> port) {
                       answer(ticket, std::move(port));
                   },
                   [this] { publish(); }} {}

    void run();
    void configure(std::vector<EngineSpec> specs);
    void ask(Engine::Ticket ticket, Asked asked);
    void line_up(Engine::Ticket ticket);
    std::string group_for(const std::string& engine) const;
    std::vector<Engine::Ticket> callers_of(const std::string& engine) const;
    void step_out(const std::string& engine, Engine::Ticket ticket);
    void reconfigure(Runner& runner, const EngineSpec& spec, base::Time now);
    void carry_out(Order order, const std::string& engine, Engine::Ticket ticket);
    template <class Event>
    void turn(const std::string& group, Event event);
    void follow(const Turns::Action& action, const std::string& group);
    void clear(const std::string& group, const std::string& but);
    void leave_turns(Engine::Ticket ticket);
    std::shared_ptr<std::atomic<unsigned>>& kills_of(const std::string& engine);
    void withdraw(const std::string& engine, Engine::Ticket ticket);
    void release(const std::string& engine, Engine::Ticket ticket, Engine::Work work);
    void answer(Engine::Ticket ticket, Result<std::uint16_t> port);
    void shut_down();
    void publish();
    void sweep();

    Places places;
    net::Worker worker;
    net::ClientTls tls;  ///< never used: engines speak plain HTTP
    net::UpstreamSettings settings;
    net::UpstreamClient client{worker.loop.get_executor(), worker.deadlines, settings, tls};
    Workshop workshop;
    std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>(worker.loop);
    std::map<std::string, std::unique_ptr<Runner>> runners;
    std::map<std::string, std::shared_ptr<std::atomic<unsigned>>> kills;  ///< by engine
    std::map<std::string, Turns> turns;                                   ///< by group
    std::map<Engine::Ticket, std::string> group_of;     ///< of tickets that take turns
    std::map<Engine::Ticket, std::string> making_room;  ///< ends on behalf of a group
    std::map<Engine::Ticket, Asked> waiters;
    std::atomic<Engine::Ticket> next_ticket = 1;
    bool ending = false;
    bool closing = false;

    mutable std::mutex status_mutex;
    std::vector<EngineStatus> status;
    std::thread thread;  ///< forks, so the children live no longer than it
};

void Supervisor::Impl::run() {
    // Signals are for the threads that serve.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    const auto stay = asio::make_work_guard(worker.loop);
    worker.loop.run();
}

void Supervisor::Impl::configure(std::vector<EngineSpec> specs) {
    if (ending) return;
    const base::Time now = base::Clock::now();
    std::map<std::string, EngineSpec> wanted;
    for (EngineSpec& spec : specs) wanted.insert_or_assign(spec.name, std::move(spec));
    for (auto& [name, runner] : runners) {
        if (wanted.contains(name)) continue;
        runner->tell([now](Engine& engine) { engine.retire(now); });
        for (const Engine::Ticket ticket : callers_of(name))  // whose turn has not come
            answer(ticket,
                   base::fail(ErrorKind::not_found,
                              "the engine " + name + " was taken out of the configuration"));
    }
    for (auto& [name, spec] : wanted) {
        if (const auto found = runners.find(name); found != runners.end())
            reconfigure(*found->second, spec, now);
        else
            runners.emplace(name, std::make_unique<Runner>(workshop, spec));
    }
    publish();
}

/// Who waits for the engine follows it: to another group, or into one.
void Supervisor::Impl::reconfigure(Runner& runner, const EngineSpec& spec, base::Time now) {
    const bool moved = runner.engine().wanted().device != spec.device;
    runner.tell([&](Engine& engine) { engine.configure(spec, now); });
    for (const Engine::Ticket ticket : callers_of(spec.name)) {
        const auto group = group_of.find(ticket);
        const bool same = (group == group_of.end() ? "" : group->second) == spec.exclusive;
        if (same && !moved) continue;
        step_out(spec.name, ticket);
        if (moved)
            answer(ticket, base::fail(ErrorKind::not_found,
                                      "the engine " + spec.name + " was moved to another device"));
        else
            line_up(ticket);
    }
}

std::vector<Engine::Ticket> Supervisor::Impl::callers_of(const std::string& engine) const {
    std::vector<Engine::Ticket> found;
    for (const auto& [ticket, asked] : waiters)
        if (asked.order == Order::acquire && asked.engine == engine) found.push_back(ticket);
    return found;
}

void Supervisor::Impl::ask(Engine::Ticket ticket, Asked asked) {
    const Order order = asked.order;
    waiters.emplace(ticket, std::move(asked));
    if (ending) return answer(ticket, std::unexpected(shutting_down()));
    if (order == Order::settle) return answer(ticket, 0);
    line_up(ticket);
}

std::string Supervisor::Impl::group_for(const std::string& engine) const {
    const auto found = runners.find(engine);
    return found == runners.end() ? "" : found->second->engine().wanted().exclusive;
}

/// To the engine, or first to the end of the line for it.
void Supervisor::Impl::line_up(Engine::Ticket ticket) {
    const Asked asked = waiters.at(ticket);
    const std::string group = asked.order == Order::acquire ? group_for(asked.engine) : "";
    if (group.empty()) return carry_out(asked.order, asked.engine, ticket);
    group_of.emplace(ticket, group);
    turn(group, [ticket, engine = asked.engine, busy = asked.when_busy](Turns& t) {
        t.ask(ticket, engine, busy);
    });
}

/// Out of the line, wherever in it.
void Supervisor::Impl::step_out(const std::string& engine, Engine::Ticket ticket) {
    if (const auto found = runners.find(engine); found != runners.end())
        found->second->tell([ticket](Engine& e) { e.withdraw(ticket); });
    leave_turns(ticket);
}

void Supervisor::Impl::carry_out(Order order, const std::string& engine, Engine::Ticket ticket) {
    const auto found = runners.find(engine);
    if (found == runners.end())
        return answer(ticket, base::fail(ErrorKind::not_found, "there is no engine " + engine));
    if (order == Order::kill) kills_of(engine)->fetch_add(1);
    found->second->tell([order, ticket](Engine& e) {
        const base::Time now = base::Clock::now();
        switch (order) {
            case Order::acquire: return e.ask(ticket, now);
            case Order::unload: return e.unload(ticket, now);
            case Order::make_way: return e.make_way(ticket, now);
            case Order::kill: return e.kill(ticket, now);
            case Order::settle: return;
        }
    });
}

/// An event of a group and what follows from it, never in the middle of another's.
template <class Event>
void Supervisor::Impl::turn(const std::string& group, Event event) {
    asio::post(worker.loop, [this, group, event] {
        event(turns[group]);
        for (const Turns::Action& action : turns[group].take_actions()) follow(action, group);
    });
}

void Supervisor::Impl::follow(const Turns::Action& action, const std::string& group) {
    using Kind = Turns::Action::Kind;
    switch (action.kind) {
        case Kind::refuse: return answer(action.ticket, std::unexpected(action.error));
        case Kind::clear: return clear(group, action.engine);
        case Kind::ask: break;
    }
    // Whoever has left meanwhile gets no lease: nobody would give it up.
    const auto at = group_of.find(action.ticket);
    if (waiters.contains(action.ticket) && at != group_of.end() && at->second == group)
        carry_out(Order::acquire, action.engine, action.ticket);
}

/// Ends all engines of a group but one, each once nobody uses it: a reload may have made one
/// exclusive that is in use.
void Supervisor::Impl::clear(const std::string& group, const std::string& but) {
    std::map<Engine::Ticket, std::string> others;
    for (const auto& [name, runner] : runners) {
        const Engine& engine = runner->engine();
        const bool in_it = engine.spec().exclusive == group || engine.wanted().exclusive == group;
        if (in_it && name != but)
            others.emplace(next_ticket.fetch_add(1, std::memory_order_relaxed), name);
    }
    if (others.empty()) return turn(group, [](Turns& t) { t.cleared(); });
    for (const auto& [ticket, name] : others) making_room.emplace(ticket, group);
    for (const auto& [ticket, name] : others) carry_out(Order::make_way, name, ticket);
}

void Supervisor::Impl::leave_turns(Engine::Ticket ticket) {
    const auto group = group_of.extract(ticket);
    if (!group.empty()) turn(group.mapped(), [ticket](Turns& t) { t.ended(ticket); });
}

std::shared_ptr<std::atomic<unsigned>>& Supervisor::Impl::kills_of(const std::string& engine) {
    auto& count = kills[engine];
    if (!count) count = std::make_shared<std::atomic<unsigned>>(0);
    return count;
}

void Supervisor::Impl::withdraw(const std::string& engine, Engine::Ticket ticket) {
    if (waiters.erase(ticket) > 0) step_out(engine, ticket);
}

void Supervisor::Impl::release(const std::string& engine, Engine::Ticket ticket,
                               Engine::Work work) {
    if (const auto found = runners.find(engine); found != runners.end())
        found->second->tell([=](Engine& e) { e.release(ticket, work, base::Clock::now()); });
    leave_turns(ticket);
}

void Supervisor::Impl::answer(Engine::Ticket ticket, Result<std::uint16_t> port) {
    if (const auto group = making_room.extract(ticket); !group.empty()) {
        const auto others = making_room | std::views::values;
        if (std::ranges::find(others, group.mapped()) == others.end())
            turn(group.mapped(), [](Turns& t) { t.cleared(); });
        return;
    }
    auto entry = waiters.extract(ticket);
    if (entry.empty()) return;
    if (!port) leave_turns(ticket);
    const auto& [order, engine, when_busy, waiter] = entry.mapped();
    Result<Lease> result;
    if (port && *port != 0) {
        const auto& count = kills_of(engine);
        result->kills_ = count;
        result->kills_before_ = count->load();
        result->port_ = *port;
        result->unfinished_ = std::make_shared<bool>(false);
        result->hold_ = std::make_shared<Hold>(mailbox, *this, engine, ticket, result->unfinished_);
    } else if (!port) {
        result = std::unexpected(port.error());
    }
    Waiter::answer(waiter, std::move(result));
}

void Supervisor::Impl::shut_down() {
    ending = true;
    const base::Time now = base::Clock::now();
    for (auto& [name, runner] : runners)
        runner->tell([now](Engine& engine) { engine.shut_down(now); });
    while (!waiters.empty()) answer(waiters.begin()->first, std::unexpected(shutting_down()));
    publish();
}

/// Shows the engines as they are. Those that are over go a moment later: one of them may be
/// calling.
void Supervisor::Impl::publish() {
    std::vector<EngineStatus> now;
    now.reserve(runners.size());
    for (const auto& [name, runner] : runners) now.push_back(runner->status());
    {
        const std::lock_guard lock(status_mutex);
        status.swap(now);
    }
    asio::post(worker.loop, [this] { sweep(); });
}

void Supervisor::Impl::sweep() {
    const auto gone =
        std::erase_if(runners, [](const auto& entry) { return entry.second->engine().finished(); });
    if (gone > 0) publish();
    if (!ending || closing || !runners.empty()) return;
    closing = true;
    asio::co_spawn(
        worker.loop.get_executor(), worker.tasks.wait_empty(base::Time::max()),
        [this](const std::exception_ptr&) { mailbox->close([this] { worker.loop.stop(); }); });
}

Supervisor::Supervisor(std::string data_dir, std::vector<std::string> roots)
    : impl_(std::make_unique<Impl>(std::move(data_dir), std::move(roots))) {
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Supervisor::~Supervisor() { shutdown(); }

void Supervisor::configure(std::vector<EngineSpec> engines) {
    impl_->mailbox->post([impl = impl_.get(), specs = std::move(engines)]() mutable {
        impl->configure(std::move(specs));
    });
}

void Lease::abandon() {
    if (unfinished_) *unfinished_ = true;
}

bool Lease::cancelled() const { return kills_ && kills_->load() != kills_before_; }

net::Task<Result<Lease>> Supervisor::send(Order order, net::Executor executor, std::string name,
                                          base::Time deadline, net::AbortHandle& abort,
                                          Waiting waiting) {
    Impl& impl = *impl_;
    if (abort.aborted()) co_return base::fail(ErrorKind::gone, "the client left");
    const Engine::Ticket ticket = impl.next_ticket.fetch_add(1, std::memory_order_relaxed);
    const auto waiter = std::make_shared<Impl::Waiter>(executor);
    if (!impl.mailbox->post([&impl, order, name, ticket, waiter, busy = waiting.when_busy] {
            impl.ask(ticket, {order, name, busy, waiter});
        }))
        co_return std::unexpected(shutting_down());
    const Impl::Stay stay{impl, *waiter, name, ticket};
    for (;;) {
        const base::Time next = base::Clock::now() + waiting.tell_every;
        co_await Impl::Waiter::wait(waiter, waiting.tell ? std::min(deadline, next) : deadline,
                                    abort);
        if (abort.aborted()) co_return base::fail(ErrorKind::gone, "the client left");
        if (waiter->value()) co_return std::move(*waiter->value());
        if (base::Clock::now() >= deadline)
            co_return base::fail(ErrorKind::timed_out,
                                 "the engine " + name + " was not " +
                                     (order == Order::acquire ? "ready" : "gone") + " in time");
        if (!co_await waiting.tell()) co_return base::fail(ErrorKind::gone, "the client left");
    }
}

net::Task<Result<Lease>> Supervisor::acquire(net::Executor executor, std::string name,
                                             base::Time deadline, net::AbortHandle& abort,
                                             Waiting waiting) {
    return send(Order::acquire, executor, std::move(name), deadline, abort, std::move(waiting));
}

net::Task<Result<void>> Supervisor::end(Order order, net::Executor executor, std::string name,
                                        base::Time deadline) {
    net::AbortHandle never;
    const auto ended = co_await send(order, executor, std::move(name), deadline, never, {});
    if (!ended) co_return std::unexpected(ended.error());
    co_return Result<void>();
}

net::Task<Result<void>> Supervisor::unload(net::Executor executor, std::string name,
                                           base::Time deadline) {
    return end(Order::unload, executor, std::move(name), deadline);
}

net::Task<Result<void>> Supervisor::kill(net::Executor executor, std::string name,
                                         base::Time deadline) {
    return end(Order::kill, executor, std::move(name), deadline);
}

net::Task<> Supervisor::settle(net::Executor executor) {
    co_await end(Order::settle, executor, {}, base::Time::max());
}

std::vector<EngineStatus> Supervisor::status() const {
    const std::lock_guard lock(impl_->status_mutex);
    return impl_->status;
}

void Supervisor::shutdown() {
    if (!impl_->thread.joinable()) return;
    impl_->mailbox->post([impl = impl_.get()] { impl->shut_down(); });
    impl_->thread.join();
}

}  // namespace device
