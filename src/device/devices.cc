#include "device/devices.h"

#include "device/device_board.h"
#include "device/mailbox.h"

#include <boost/asio/executor_work_guard.hpp>

#include <signal.h>

#include <atomic>
#include <thread>

namespace device {

using base::ErrorKind;
using base::Result;

namespace asio = net::asio;

namespace {

/// How often an engine that said it is busy is looked at.
constexpr base::Duration kIdleStep{500};
constexpr base::Duration kBusyTime{1'000};

base::Error shutting_down() { return {ErrorKind::gone, "freeway is shutting down"}; }

}  // namespace

struct Devices::Impl {
    using Ticket = Scheduler::Ticket;
    using Waiter = std::shared_ptr<Errand<Result<DeviceLease>>>;

    explicit Impl(Supervisor& engines)
        : board(worker, engines, [this](Ticket ticket, Result<void> granted) {
              answer(ticket, std::move(granted));
          }) {}

    void run();
    void answer(Ticket ticket, Result<void> granted);
    void end();

    net::Worker worker;
    std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>(worker.loop);
    DeviceBoard board;
    std::map<Ticket, std::pair<std::string, Waiter>> waiters;
    std::atomic<Ticket> next_ticket = 1;
    std::thread thread;
};

/// What a lease keeps alive: its end is a message.
struct DeviceLease::Hold {
    std::shared_ptr<Mailbox> mailbox;
    Devices::Impl& impl;  ///< touched on the devices' thread alone
    std::string device;
    Scheduler::Ticket ticket;
    DeviceBoard::End end{};
    ~Hold() {
        mailbox->post([&to = impl, name = std::move(device), id = ticket, how = end] {
            to.board.release(name, id, how);
        });
    }
};

void DeviceLease::failed() {
    if (hold_) hold_->end.failed = true;
}

void DeviceLease::served() {
    if (hold_ && !hold_->end.served) hold_->end.served = base::Clock::now();
}

void Devices::Impl::run() {
    sigset_t all;  // signals are for the threads that serve
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    const auto stay = asio::make_work_guard(worker.loop);
    worker.loop.run();
}

void Devices::Impl::answer(Ticket ticket, Result<void> granted) {
    auto entry = waiters.extract(ticket);
    if (entry.empty()) return;
    Result<DeviceLease> result;
    auto& [device, waiter] = entry.mapped();
    if (granted)
        result->hold_ = std::make_shared<DeviceLease::Hold>(mailbox, *this, device, ticket);
    else
        result = std::unexpected(granted.error());
    Errand<Result<DeviceLease>>::answer(waiter, std::move(result));
}

void Devices::Impl::end() {
    board.shut_down();
    for (auto& [ticket, entry] : std::exchange(waiters, {}))
        Errand<Result<DeviceLease>>::answer(entry.second, std::unexpected(shutting_down()));
    asio::co_spawn(
        worker.loop.get_executor(), worker.tasks.wait_empty(base::Time::max()),
        [this](const std::exception_ptr&) { mailbox->close([this] { worker.loop.stop(); }); });
}

Devices::Devices(Supervisor& engines) : impl_(std::make_unique<Impl>(engines)) {
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Devices::~Devices() { shutdown(); }

void Devices::shutdown() {
    if (!impl_->thread.joinable()) return;
    impl_->mailbox->post([impl = impl_.get()] { impl->end(); });
    impl_->thread.join();
}

void Devices::configure(Plan plan) {
    impl_->mailbox->post([impl = impl_.get(), wanted = std::move(plan)]() mutable {
        impl->board.configure(std::move(wanted));
    });
}

struct Devices::Turn::State {
    State(Impl& to, net::Executor executor, std::string name, Scheduler::Ticket id)
        : impl(to),
          device(std::move(name)),
          ticket(id),
          errand(std::make_shared<Errand<Result<DeviceLease>>>(executor)) {}
    Impl& impl;
    std::string device;
    Scheduler::Ticket ticket;
    Impl::Waiter errand;
    std::atomic<std::int64_t> expected_ms{1'000};
};

std::unique_ptr<Devices::Turn> Devices::join(net::Executor executor, const Use& use) {
    Impl& impl = *impl_;
    std::unique_ptr<Turn> turn(new Turn);
    const auto ticket = impl.next_ticket.fetch_add(1, std::memory_order_relaxed);
    turn->state_ = std::make_shared<Turn::State>(impl, executor, use.device, ticket);
    const bool sent = impl.mailbox->post([state = turn->state_, use] {
        Impl& on = state->impl;
        state->expected_ms = on.board.expected_wait(use).count();
        on.waiters.emplace(state->ticket, std::pair(state->device, state->errand));
        on.board.ask(state->ticket, use);
    });
    if (!sent) turn->state_->errand->value() = std::unexpected(shutting_down());
    return turn;
}

Devices::Turn::~Turn() {
    if (state_->errand->value()) return;
    state_->impl.mailbox->post([state = state_] {
        if (state->impl.waiters.erase(state->ticket) > 0)
            state->impl.board.withdraw(state->device, state->ticket);
    });
}

net::Task<bool> Devices::Turn::wait(base::Time until, net::AbortHandle& abort) {
    co_await Errand<Result<DeviceLease>>::wait(state_->errand, until, abort);
    co_return state_->errand->value().has_value() || abort.aborted();
}

Result<DeviceLease> Devices::Turn::take() {
    auto& answer = state_->errand->value();
    if (!answer) return base::fail(ErrorKind::gone, "the client left");
    return std::move(*answer);
}

base::Duration Devices::Turn::expected() const {
    return base::Duration(state_->expected_ms.load());
}

net::Task<bool> Devices::until_idle(net::Executor executor, Use use, base::Duration pause,
                                    base::Time until, net::AbortHandle& abort) {
    using Busy = Errand<std::optional<bool>>;
    for (base::Duration step = pause;; step = kIdleStep) {
        co_await Busy::wait(std::make_shared<Busy>(executor),
                            std::min(until, base::Clock::now() + step), abort);
        if (abort.aborted() || base::Clock::now() >= until) co_return false;
        auto busy = std::make_shared<Busy>(executor);
        const bool sent = impl_->mailbox->post([impl = impl_.get(), busy, key = use.need.key] {
            impl->worker.tasks.spawn(
                [](Impl& on, std::shared_ptr<Busy> to, std::string engine) -> net::Task<> {
                    Busy::answer(to,
                                 co_await on.board.busy(engine, base::Clock::now() + kBusyTime));
                }(*impl, busy, key.engine),
                [] {});
        });
        if (!sent) co_return false;
        co_await Busy::wait(busy, until, abort);
        if (abort.aborted() || !busy->value() || !*busy->value()) co_return false;
        if (!**busy->value()) co_return true;
    }
}

net::Task<std::vector<DeviceReport>> Devices::report(net::Executor executor) {
    using Reports = Errand<std::vector<DeviceReport>>;
    auto errand = std::make_shared<Reports>(executor);
    if (!impl_->mailbox->post(
            [impl = impl_.get(), errand] { Reports::answer(errand, impl->board.report()); }))
        co_return std::vector<DeviceReport>();
    net::AbortHandle abort;
    co_await Reports::wait(errand, base::Time::max(), abort);
    co_return std::move(*errand->value());
}

net::Task<std::vector<UnloadReport>> Devices::unload(net::Executor executor, std::string device) {
    using Reports = Errand<std::vector<UnloadReport>>;
    auto errand = std::make_shared<Reports>(executor);
    if (!impl_->mailbox->post([impl = impl_.get(), errand, name = std::move(device)] {
            impl->worker.tasks.spawn(
                [](Impl& on, std::shared_ptr<Reports> to, std::string from) -> net::Task<> {
                    Reports::answer(to, co_await on.board.unload(std::move(from)));
                }(*impl, errand, name),
                [] {});
        }))
        co_return std::vector<UnloadReport>();
    net::AbortHandle abort;
    co_await Reports::wait(errand, base::Time::max(), abort);
    co_return std::move(*errand->value());
}

void Devices::unload(const Use& use) {
    impl_->mailbox->post([impl = impl_.get(), use] {
        impl->worker.tasks.spawn(impl->board.unload_model(use.device, use.need.key), [] {});
    });
}

}  // namespace device
