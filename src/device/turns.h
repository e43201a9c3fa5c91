#pragma once

#include "base/result.h"
#include "device/engine.h"

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace device {

/// Engines of which one at a time may run, for one request at a time: whose turn it is. First come,
/// first served. A state machine as Engine is: its one owner (Supervisor) carries out what it asks
/// for. Before somebody is let in all other engines of the group are gone.
class Turns {
public:
    using Ticket = Engine::Ticket;
    static constexpr std::size_t kMostWaiting = 64;

    struct Action {
        enum class Kind {
            clear,   ///< see to it that none but `engine` runs, then report cleared()
            ask,     ///< it is the turn of `ticket`: ask `engine`, then report ended() some day
            refuse,  ///< `ticket` gets `error`
        };
        Kind kind;
        std::string engine;
        Ticket ticket = 0;
        base::Error error{};
    };

    void ask(Ticket ticket, std::string engine, WhenBusy when_busy);
    /// Of the engines that were to go no process runs any more.
    void cleared();
    /// The ticket's lease is given up, was refused, or nobody waits for it any more.
    void ended(Ticket ticket);

    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
    std::size_t waiting() const { return waiting_.size(); }

private:
    struct Turn {
        Ticket ticket;
        std::string engine;
    };
    void advance();

    std::deque<Turn> waiting_;
    std::optional<Turn> turn_;
    bool clearing_ = false;
    std::vector<Action> actions_;
};

}  // namespace device
