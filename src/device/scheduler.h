#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace device {

/// Whose turn it is, all else being equal: what takes moments goes before what takes minutes.
enum class Priority { quick, chat, image };
std::string_view name(Priority priority);

/// A model as one engine holds it. `engine` names a place where models are loaded (a service's
/// address, a child process); `model` is that place's own word for it.
struct ModelKey {
    std::string engine;
    std::string model;
    auto operator<=>(const ModelKey&) const = default;
};

/// What one attempt asks of a device.
struct Need {
    ModelKey key;
    std::uint64_t bytes = 0;  ///< footprint as configured; 0: unknown, the whole device until measured
    int slots = 0;            ///< leases on this model at a time; 0: any number
    Priority priority = Priority::chat;
};

/// What an engine said it holds.
struct Resident {
    std::string model;
    std::uint64_t bytes = 0;  ///< on this device; 0: it did not say
    bool busy = false;        ///< at work, for us or for others
};

/// How a device is shared.
struct Terms {
    std::optional<std::uint64_t> budget;  ///< bytes; absent: unknown, one model at a time
    int jobs = 0;                         ///< leases at a time over all models; 0: any number
    std::size_t most_waiting = 64;
    base::Duration patience{20'000};  ///< after so long nobody overtakes a waiter any more
    bool operator==(const Terms&) const = default;
};

/// Who may use one device's memory, and whose model has to go: a state machine without a clock, an
/// engine or a thread. Events go in with their time, actions come out; its one owner (Devices)
/// carries them out. What is loaded is known from the engines alone: observed() says so, a grant
/// only claims the memory until then. The sum of what is loaded, claimed and on its way out never
/// exceeds the budget less what others on the device use, unless they take it afterwards.
///
/// A waiting request is granted when its model is loaded, or when its footprint fits into what is
/// free. Else room is made: idle models are sent away, the least valuable first (long idle, cheap
/// to load again), and only as many as it takes. Requests for what is loaded go together, before
/// those that would make it leave, until somebody has waited for `patience`.
class Scheduler {
public:
    /// Who asked; later the lease itself. Never used twice.
    using Ticket = std::uint64_t;

    struct Action {
        enum class Kind {
            grant,   ///< `ticket` holds a lease from here on; `cold`: it may have to load first
            refuse,  ///< `ticket` gets `error`: busy (queue full), too_large (never fits)
            evict,   ///< unload `key`, then report evicted() or eviction_failed()
        };
        Kind kind;
        Ticket ticket = 0;
        ModelKey key{};
        bool cold = false;
        base::Error error{};
    };

    explicit Scheduler(Terms terms) : terms_(terms) {}

    void ask(Ticket ticket, Need need, base::Time now);
    /// A waiter that left: it never causes a load or an eviction from here on. Does nothing to
    /// one that was answered.
    void withdraw(Ticket ticket, base::Time now);
    /// The holder's engine has served from the loaded model; `took`: what loading cost, if it loaded.
    void loaded(Ticket ticket, std::optional<base::Duration> took, base::Time now);
    /// The lease is given up. `failed`: the model could not be loaded: its claim is void at once.
    void release(Ticket ticket, bool failed, base::Time now);

    void configure(Terms terms, base::Time now);
    /// Memory that programs outside the engines use.
    void others(std::uint64_t bytes, base::Time now);
    /// All that `engine` holds on this device now.
    void observed(const std::string& engine, std::vector<Resident> residents, base::Time now);
    /// It could not be asked: what it held stays counted, and nothing is evicted from it.
    void unreachable(const std::string& engine, base::Time now);

    /// It is gone, and its memory is free.
    void evicted(const ModelKey& key, base::Time now);
    /// It is still there: its engine is left alone for a while (its memory stays counted).
    void eviction_failed(const ModelKey& key, std::string reason, base::Time now);

    /// To be called at due().
    void tick(base::Time now);
    base::Time due() const;
    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    /// For people (GET /v1/devices) and for the answer of one who had to go away.
    struct ModelView {
        ModelKey key;
        std::uint64_t bytes = 0;
        bool loaded = false;    ///< the engine says so; else claimed by a lease
        bool evicting = false;
        int leases = 0;
        base::Duration idle{0};
    };
    struct WaiterView {
        Ticket ticket = 0;
        ModelKey key;
        Priority priority = Priority::chat;
        base::Duration waited{0};
    };
    struct View {
        std::optional<std::uint64_t> budget;
        std::uint64_t used = 0;    ///< loaded, claimed and on its way out
        std::uint64_t others = 0;
        std::vector<ModelView> models;
        std::vector<WaiterView> waiting;  ///< in the order of their turn
        std::map<std::string, std::string> troubled;  ///< engines that failed to evict, and why
    };
    View view(base::Time now) const;
    /// How long a request like `need` would wait, from what leases and loads took before.
    base::Duration expected_wait(const Need& need, base::Time now) const;
};

}  // namespace device
