#pragma once

#include "device/command.h"
#include "device/engine.h"
#include "device/process.h"
#include "device/supervisor.h"
#include "net/worker.h"

#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace device {

/// What the runners of one supervisor share; outlives them.
struct Workshop {
    net::Worker& worker;
    net::UpstreamClient& client;  ///< for ready checks
    const Places& places;
    /// The answer to a ticket: the port of an engine it now has a lease on, 0 where it asked for an
    /// end that has come, or why not.
    std::function<void(Engine::Ticket, base::Result<std::uint16_t>)> answer;
    std::function<void()> changed;  ///< some runner's status()
};

/// Carries out what one engine's state machine asks for: process, ready check, time
/// limits, log. Lives on the supervisor's thread.
class Runner {
public:
    Runner(Workshop& workshop, EngineSpec spec);
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    /// An event, and all that follows from it.
    template <class Event>
    void tell(Event event) {
        event(engine_);
        follow();
    }
    const Engine& engine() const { return engine_; }
    EngineStatus status() const;

private:
    /// A ready check under way; outlives the runner until its coroutine has seen the abort.
    struct Probe {
        net::AbortHandle abort;
        Runner* runner;
    };

    void follow();
    /// Makes a changed status known.
    void show();
    void announce(const EngineStatus& now) const;
    void act(const Engine::Action& action);
    void start();
    base::Result<void> launch();
    std::string no_port() const;
    void on_exit(const std::string& reason);
    void on_line(std::string_view line);
    std::string last_words() const;
    void check_ready();
    void stop_checking();
    static net::Task<> probe(Workshop& workshop, std::shared_ptr<Probe> probe, net::Origin origin,
                             std::string target);

    Workshop& workshop_;
    Engine engine_;
    net::Deadlines::Alarm alarm_;
    std::unique_ptr<Process> process_;
    std::shared_ptr<Probe> probe_;
    std::uint16_t port_ = 0;
    int port_tries_ = 0;
    std::deque<std::string> tail_;
    base::Time started_;
    EngineStatus told_;
};

}  // namespace device
