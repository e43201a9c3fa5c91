#include "device/supervisor.h"

#include "base/log.h"
#include "device/runner.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

namespace device {

using base::ErrorKind;
using base::Result;

namespace asio = net::asio;

namespace {

/// The way to the supervisor's thread. Leases hold it, so it may outlive the supervisor.
class Mailbox {
public:
    explicit Mailbox(asio::io_context& loop) : loop_(&loop) {}

    /// False once the supervisor has ended.
    template <class Message>
    bool post(Message message) {
        const std::lock_guard lock(mutex_);
        if (loop_) asio::post(*loop_, std::move(message));
        return loop_ != nullptr;
    }
    /// Posts the last message.
    template <class Message>
    void close(Message message) {
        const std::lock_guard lock(mutex_);
        asio::post(*std::exchange(loop_, nullptr), std::move(message));
    }

private:
    std::mutex mutex_;
    asio::io_context* loop_;
};

base::Error shutting_down() { return {ErrorKind::gone, "freeway is shutting down"}; }

}  // namespace

struct Supervisor::Impl {
    /// One acquire() under way. All but the executor belongs to the worker's thread.
    struct Waiter {
        explicit Waiter(net::Executor e) : executor(e) {}
        net::Executor executor;
        net::Timer* wake = nullptr;  ///< null once nobody waits any more
        std::optional<Result<Lease>> answer;
    };

    /// What a Lease keeps alive: its end is a message.
    struct Hold {
        std::shared_ptr<Mailbox> mailbox;
        Impl& impl;  ///< touched on the supervisor's thread alone
        std::string engine;
        Engine::Ticket ticket;
        ~Hold() {
            mailbox->post(
                [&to = impl, name = std::move(engine), id = ticket] { to.release(name, id); });
        }
    };

    /// A caller's stay in the queue: leaving it, in whatever way, is a message.
    struct Stay {
        Impl& impl;
        Waiter& waiter;
        const std::string& engine;
        Engine::Ticket ticket;
        ~Stay() {
            waiter.wake = nullptr;
            if (waiter.answer) return;
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
    void ask(const std::string& engine, Engine::Ticket ticket, std::shared_ptr<Waiter> waiter);
    void withdraw(const std::string& engine, Engine::Ticket ticket);
    void release(const std::string& engine, Engine::Ticket ticket);
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
    std::map<Engine::Ticket, std::pair<std::string, std::shared_ptr<Waiter>>> waiters;
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
    for (auto& [name, runner] : runners)
        if (!wanted.contains(name)) runner->tell([now](Engine& engine) { engine.retire(now); });
    for (auto& [name, spec] : wanted) {
        if (const auto found = runners.find(name); found != runners.end())
            found->second->tell([&](Engine& engine) { engine.configure(spec, now); });
        else
            runners.emplace(name, std::make_unique<Runner>(workshop, spec));
    }
    publish();
}

void Supervisor::Impl::ask(const std::string& engine, Engine::Ticket ticket,
                           std::shared_ptr<Waiter> waiter) {
    waiters.emplace(ticket, std::pair(engine, std::move(waiter)));
    const auto found = runners.find(engine);
    if (ending)
        answer(ticket, std::unexpected(shutting_down()));
    else if (found == runners.end())
        answer(ticket, base::fail(ErrorKind::not_found, "there is no engine " + engine));
    else
        found->second->tell([ticket](Engine& e) { e.ask(ticket, base::Clock::now()); });
}

void Supervisor::Impl::withdraw(const std::string& engine, Engine::Ticket ticket) {
    if (waiters.erase(ticket) == 0) return;
    if (const auto found = runners.find(engine); found != runners.end())
        found->second->tell([ticket](Engine& e) { e.withdraw(ticket); });
}

void Supervisor::Impl::release(const std::string& engine, Engine::Ticket ticket) {
    if (const auto found = runners.find(engine); found != runners.end())
        found->second->tell([ticket](Engine& e) { e.release(ticket, base::Clock::now()); });
}

void Supervisor::Impl::answer(Engine::Ticket ticket, Result<std::uint16_t> port) {
    auto entry = waiters.extract(ticket);
    if (entry.empty()) return;
    auto& [engine, waiter] = entry.mapped();
    Result<Lease> result;
    if (port) {
        result->port_ = *port;
        result->hold_ = std::make_shared<Hold>(mailbox, *this, engine, ticket);
    } else {
        result = std::unexpected(port.error());
    }
    asio::post(waiter->executor, [waiter, answered = std::move(result)]() mutable {
        waiter->answer = std::move(answered);
        if (waiter->wake) waiter->wake->cancel();
    });
}

void Supervisor::Impl::shut_down() {
    ending = true;
    const base::Time now = base::Clock::now();
    for (auto& [name, runner] : runners)
        runner->tell([now](Engine& engine) { engine.shut_down(now); });
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

net::Task<Result<Lease>> Supervisor::acquire(net::Executor executor, std::string name,
                                             base::Time deadline, net::AbortHandle& abort) {
    Impl& impl = *impl_;
    if (abort.aborted()) co_return base::fail(ErrorKind::gone, "the client left");
    const Engine::Ticket ticket = impl.next_ticket.fetch_add(1, std::memory_order_relaxed);
    const auto waiter = std::make_shared<Impl::Waiter>(executor);
    net::Timer wake(executor, deadline);
    waiter->wake = &wake;
    if (!impl.mailbox->post([&impl, name, ticket, waiter] { impl.ask(name, ticket, waiter); }))
        co_return std::unexpected(shutting_down());
    const Impl::Stay stay{impl, *waiter, name, ticket};
    abort.attach(&wake);
    co_await wake.async_wait(net::kAwait);
    abort.attach(nullptr);
    if (abort.aborted()) co_return base::fail(ErrorKind::gone, "the client left");
    if (!waiter->answer)
        co_return base::fail(ErrorKind::timed_out, "the engine " + name + " was not ready in time");
    co_return std::move(*waiter->answer);
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
