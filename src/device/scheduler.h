#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "device/residency.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace device {

/// Whose turn it is, all else being equal: what takes moments goes before what takes minutes.
enum class Priority { quick, chat, image };
std::string_view name(Priority priority);

/// What one attempt asks of a device.
struct Need {
    ModelKey key;
    std::uint64_t bytes =
        0;          ///< footprint as configured; 0: unknown, the whole device until measured
    int slots = 0;  ///< leases on this model at a time; 0: any number
    Priority priority = Priority::chat;
    int engine_models = 0;  ///< models its engine holds at a time; 0: as many as fit
};

/// How a device is shared.
struct Terms {
    std::optional<std::uint64_t> budget;  ///< bytes; absent: unknown, one model at a time
    int jobs = 0;                         ///< leases at a time over all models; 0: any number
    std::size_t most_waiting = 64;
    /// After so long nobody overtakes a waiter any more, save those that waited as long and go
    /// with the model of one before it. Until then chat is as if it came half of it later than
    /// quick, image all of it.
    base::Duration patience{20'000};
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
            refuse,  ///< `ticket` gets `error`: refused (queue full), too_large (never fits)
            evict,   ///< unload `key`, then report evicted() or eviction_failed()
        };
        Kind kind;
        Ticket ticket = 0;
        ModelKey key{};
        bool cold = false;
        base::Error error{};
    };

    explicit Scheduler(Terms terms);

    void ask(Ticket ticket, Need need, base::Time now);
    /// A waiter that left: it never causes a load or an eviction from here on. Does nothing to
    /// one that was answered.
    void withdraw(Ticket ticket, base::Time now);
    /// The model of a holder is loaded; `took`: what loading cost, if it loaded. Only a lease that
    /// was granted cold has to say so.
    void loaded(Ticket ticket, std::optional<base::Duration> took, base::Time now);
    /// The lease is given up. `failed`: the model could not be loaded: its claim is void at once.
    /// If it ends otherwise without loaded(), its memory stays claimed until the engine's next
    /// list: it may go on loading.
    void release(Ticket ticket, bool failed, base::Time now);

    void configure(Terms terms, base::Time now);
    /// Memory that programs outside the engines use.
    void others(std::uint64_t bytes, base::Time now);
    /// All that `engine` holds on this device now, what it is loading included. A list asked for
    /// before a lease on that engine was given up is stale: do not report it.
    void observed(const std::string& engine, std::vector<Resident> residents, base::Time now);
    /// It could not be asked: what it held stays counted, and nothing is evicted from it.
    void unreachable(const std::string& engine, base::Time now);
    /// Nothing of it is there any more, or so it has to be taken: what is leased stays counted.
    /// `others`: what others use once that is so, where it is known.
    void lost(const std::string& engine, std::optional<std::uint64_t> others, base::Time now);

    /// It is gone, and its memory is free.
    void evicted(const ModelKey& key, base::Time now);
    /// It is still there: its engine is left alone for a while (its memory stays counted).
    void eviction_failed(const ModelKey& key, std::string reason, base::Time now);

    /// To be called at due().
    void tick(base::Time now);
    base::Time due() const;
    /// A lease on it needs no memory: it is there, or is being loaded.
    bool resident(const ModelKey& key) const;
    bool anybody_waits() const { return !waiting_.empty(); }
    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    /// For people (GET /v1/devices) and for the answer of one who had to go away.
    struct ModelView {
        ModelKey key;
        std::uint64_t bytes = 0;
        bool loaded = false;  ///< the engine says so; else claimed by a lease
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
        std::uint64_t used = 0;  ///< loaded, claimed and on its way out
        std::uint64_t others = 0;
        std::vector<ModelView> models;
        std::vector<WaiterView> waiting;              ///< in the order of their turn
        std::map<std::string, std::string> troubled;  ///< engines that failed to evict, and why
    };
    View view(base::Time now) const;
    /// How long a request like `need` would wait for its grant, from what leases and loads took
    /// before: 0 if not at all, else at least a second.
    base::Duration expected_wait(const Need& need, base::Time now) const;

private:
    enum class Evictions { start, plan_only };
    struct Waiter {
        Need need;
        base::Time since;
        std::uint64_t arrival = 0;
        std::uint64_t turn = 0;  ///< `arrival`, or that of the one it goes with
        bool impatient = false;
    };
    struct Lease {
        ModelKey key;
        Priority priority = Priority::chat;
        base::Time since;
        base::Duration load{0};
        bool cold = false;
        bool served = false;
    };
    struct Outlook;
    class Forecast;

    void settle(base::Time now, Evictions evictions = Evictions::start);
    void refuse_what_never_fits();
    bool visit(Evictions evictions, base::Time now);
    std::vector<Ticket> in_turn() const;
    Outlook outlook() const;
    bool may_join(const Waiter& waiter, const Outlook& outlook) const;
    bool fits(const Waiter& waiter, const Outlook& outlook) const;
    void make_room(Ticket ticket, Outlook& outlook, Evictions evictions, base::Time now);
    int places_lacking(const Need& need, const Outlook& outlook) const;
    void grant(Ticket ticket, base::Time now);
    void take_along(const Waiter& first);
    void refuse(Ticket ticket, base::Error error);

    Terms terms_;
    Residency residency_;
    std::map<Ticket, Waiter> waiting_;
    std::map<Ticket, Lease> leases_;
    std::uint64_t arrivals_ = 0;
    std::vector<Action> actions_;
};

}  // namespace device
