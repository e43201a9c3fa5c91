#include "device/runner.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace device {

using base::ErrorKind;
using base::Result;
using base::log::Level;

namespace {

constexpr std::size_t kTailLines = 3;
constexpr std::size_t kTailLine = 200;
/// Somebody else may take the port between our choice and the engine's bind.
constexpr int kPortTries = 3;
constexpr base::Duration kFirstCheck{50};
constexpr base::Duration kMaxCheck{250};
constexpr base::Duration kCheckTime{5'000};

/// Binds a loopback port and lets it go: its number, or 0 if it is taken.
std::uint16_t try_port(std::uint16_t wanted) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return 0;
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(wanted);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    const bool bound = ::bind(fd, generic, size) == 0 && ::getsockname(fd, generic, &size) == 0;
    ::close(fd);
    return bound ? ntohs(address.sin_port) : std::uint16_t{0};
}

}  // namespace

Runner::Runner(Workshop& workshop, EngineSpec spec)
    : workshop_(workshop),
      engine_(std::move(spec)),
      alarm_(workshop.worker.deadlines,
             [this] { tell([](Engine& engine) { engine.tick(base::Clock::now()); }); }),
      told_(status()) {}

Runner::~Runner() { stop_checking(); }

EngineStatus Runner::status() const {
    const bool running = process_ != nullptr;
    return {engine_.spec().name,
            engine_.state(),
            running ? process_->pid() : 0,
            running ? process_->guard() : 0,
            running ? port_ : std::uint16_t{0},
            engine_.restarts(),
            engine_.last_error(),
            engine_.spec().device,
            engine_.leases(),
            engine_.waiting()};
}

void Runner::follow() {
    for (auto actions = engine_.take_actions(); !actions.empty(); actions = engine_.take_actions())
        for (const Engine::Action& action : actions) act(action);
    alarm_.set(engine_.due());
    show();
}

void Runner::show() {
    EngineStatus now = status();
    if (now == told_) return;
    if (now.state != told_.state || now.last_error != told_.last_error) announce(now);
    told_ = std::move(now);
    workshop_.changed();
}

void Runner::announce(const EngineStatus& now) const {
    if (now.state == EngineState::failed) {
        base::log::write(Level::warning, "engine failed",
                         {{"engine", now.name}, {"reason", now.last_error}});
    } else if (now.state == EngineState::ready) {
        const auto taken =
            std::chrono::duration_cast<base::Duration>(base::Clock::now() - started_).count();
        base::log::write(Level::info, "engine ready",
                         {{"engine", now.name}, {"port", now.port}, {"ms", taken}});
    } else {
        base::log::write(Level::info, "engine state",
                         {{"engine", now.name}, {"state", name(now.state)}, {"pid", now.pid}});
    }
}

void Runner::act(const Engine::Action& action) {
    using Kind = Engine::Action::Kind;
    switch (action.kind) {
        case Kind::start: start(); break;
        case Kind::terminate:
            stop_checking();
            if (process_) process_->terminate();
            break;
        case Kind::kill:
            if (process_) process_->kill();
            break;
        case Kind::grant:
            show();  // whoever holds a lease sees a ready engine
            workshop_.answer(action.ticket, port_);
            break;
        case Kind::confirm:
            show();  // whoever is told of the end sees it
            workshop_.answer(action.ticket, std::uint16_t{0});
            break;
        case Kind::refuse: workshop_.answer(action.ticket, std::unexpected(action.error)); break;
    }
}

void Runner::start() {
    port_tries_ = 0;
    started_ = base::Clock::now();
    if (auto launched = launch(); !launched) engine_.could_not_start(launched.error(), started_);
}

Result<void> Runner::launch() {
    auto command = resolve_command(engine_.spec(), workshop_.places);
    if (!command) return std::unexpected(command.error());
    port_ = try_port(engine_.spec().port);
    if (port_ == 0) return base::fail(ErrorKind::io, no_port());
    ++port_tries_;
    tail_.clear();
    auto process =
        Process::start(workshop_.worker.loop.get_executor(), listening(std::move(*command), port_),
                       {[this](std::string_view line) { on_line(line); },
                        [this](const std::string& reason) { on_exit(reason); }});
    if (!process) return std::unexpected(process.error());
    process_ = std::move(*process);
    check_ready();
    return {};
}

std::string Runner::no_port() const {
    const std::uint16_t wanted = engine_.spec().port;
    if (wanted == 0) return "no free port on 127.0.0.1";
    return "port " + std::to_string(wanted) + " on 127.0.0.1 is taken by another program: choose " +
           "another `port` for the engine, or leave it out";
}

void Runner::on_exit(const std::string& reason) {
    stop_checking();
    process_.reset();
    if (engine_.state() == EngineState::starting && port_tries_ < kPortTries &&
        try_port(port_) == 0) {
        const auto again = launch();
        tell([&](Engine& engine) {
            if (!again) engine.could_not_start(again.error(), base::Clock::now());
        });
        return;
    }
    tell([&](Engine& engine) { engine.exited(reason + last_words(), base::Clock::now()); });
}

void Runner::on_line(std::string_view line) {
    // While it serves, an engine speaks of every request.
    const Level level = engine_.state() == EngineState::ready ? Level::debug : Level::info;
    base::log::write(level, "engine output", {{"engine", engine_.spec().name}, {"line", line}});
    tail_.emplace_back(line.substr(0, kTailLine));
    if (tail_.size() > kTailLines) tail_.pop_front();
}

std::string Runner::last_words() const {
    std::string words;
    for (const std::string& line : tail_) words += (words.empty() ? ": " : " | ") + line;
    return words;
}

void Runner::check_ready() {
    probe_ = std::make_shared<Probe>();
    probe_->runner = this;
    net::Origin origin({false, "127.0.0.1", port_});
    workshop_.worker.tasks.spawn(probe(workshop_, probe_, std::move(origin), engine_.spec().ready),
                                 [probe = probe_] { probe->abort.abort(); });
}

void Runner::stop_checking() {
    if (probe_) std::exchange(probe_, nullptr)->abort.abort();
}

net::Task<> Runner::probe(Workshop& workshop, std::shared_ptr<Probe> probe, net::Origin origin,
                          std::string target) {
    net::Timer pause(workshop.worker.loop.get_executor());
    for (base::Duration wait = kFirstCheck; !probe->abort.aborted();
         wait = std::min(wait * 2, kMaxCheck)) {
        {
            const net::UpstreamRequest request{origin, "GET", target, "Connection: close\r\n", {}};
            const base::Time limit = base::Clock::now() + kCheckTime;
            auto reply = co_await workshop.client.send(request, limit, limit, probe->abort);
            if (probe->abort.aborted()) co_return;
            if (reply && (*reply)->head().status == 200) break;
        }
        pause.expires_after(wait);
        probe->abort.attach(&pause);
        co_await pause.async_wait(net::kAwait);
        probe->abort.attach(nullptr);
    }
    if (probe->abort.aborted()) co_return;
    probe->runner->tell([](Engine& engine) { engine.became_ready(base::Clock::now()); });
}

}  // namespace device
