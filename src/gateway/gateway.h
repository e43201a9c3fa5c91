#pragma once

#include "base/model_facts.h"
#include "base/pulls.h"
#include "config/catalog.h"
#include "device/agent_host.h"
#include "device/devices.h"
#include "device/puller.h"
#include "device/supervisor.h"
#include "gateway/response_store.h"
#include "gateway/waiting_line.h"
#include "llm/dialect.h"
#include "net/upstream.h"
#include "net/worker.h"
#include "quota/ledger.h"
#include "route/benches.h"
#include "route/record.h"
#include "store/answer_cache.h"
#include "store/files.h"
#include "store/shared_ledger.h"
#include "store/store.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gateway {

/// Members of a request that a target has refused by name: they are left out from
/// the next request on. Bounded; forgotten at restart.
class LearnedRejects {
public:
    static constexpr std::size_t kMostTargets = 1024;
    static constexpr std::size_t kMostMembers = 16;
    /// Whether a chat without the member still asks for the same: sampling knobs and hints that
    /// are known as such may go, everything else may not.
    static bool may_go(std::string_view member);
    void learn(const std::string& target, const std::string& member);
    std::vector<std::string> of(const std::string& target) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<std::string>> members_;
    std::atomic<bool> any_{false};
};

/// Attempts under way for the targets that state max_parallel_requests.
class InFlight {
public:
    /// Held by the attempt; destroying it frees the slot on every way out.
    class Slot {
    public:
        Slot() = default;
        explicit Slot(std::atomic<int>* count) : count_(count) {}
        ~Slot() {
            if (count_) count_->fetch_sub(1);
        }
        Slot(Slot&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
        Slot& operator=(Slot&&) = delete;

    private:
        std::atomic<int>* count_ = nullptr;
    };
    /// False if as many are under way as the target allows.
    bool take(const config::Target& target, std::optional<Slot>& slot);
    /// One of at most `most` places that `count` counts.
    static bool take(std::atomic<int>& count, int most, std::optional<Slot>& slot);

private:
    std::mutex mutex_;
    std::map<std::string, std::atomic<int>> counts_;
};

/// What all workers share.
struct Gateway {
    quota::Ledger ledger;
    route::Benches benches;
    route::Records records;
    WaitingLine waiting;
    WaitingLine workspaces;  ///< of agents: one request at a time in each
    LearnedRejects rejects;
    InFlight in_flight;
    ResponseStore responses;
    store::AnswerCache answers;
    device::Supervisor* engines = nullptr;         ///< set before the first request
    device::Devices* devices = nullptr;            ///< set before the first request
    device::AgentHost* agents = nullptr;           ///< the same: command lines of agents
    device::Puller* puller = nullptr;              ///< the same; null: nobody pulls
    base::PullBoard pulls;                         ///< what it shows
    base::FactBoard facts;                         ///< and has learned of models
    store::Store* store = nullptr;                 ///< null: nothing outlives the process
    store::SharedLedger* shared_ledger = nullptr;  ///< null: the ledger is this process's own
    store::Files* files = nullptr;                 ///< null: pictures can't be kept
    std::string public_url;  ///< where clients reach us, without a slash at its end; empty: unknown
    std::string upload_folder = ".";  ///< where large uploads wait, without names
    std::atomic<std::uint64_t> requests{0};
    std::atomic<int> active{0};     ///< requests being answered
    std::atomic<int> inference{0};  ///< places taken where max_parallel_requests is set
    std::atomic<bool> draining{false};
};

/// How to reach a target: what every call to it repeats.
struct Way {
    net::Origin origin;
    std::string headers;               ///< complete lines, key included: never logged
    std::vector<llm::Extra> defaults;  ///< members that the configuration adds to a body
    std::vector<llm::Extra> overrides;
    std::optional<device::Use> use;  ///< absent: it needs no device of ours
};

/// A catalog and its limits, with the ways to its targets, worked out at first use. Belongs to one
/// worker; a request keeps the one it began with.
class Ways {
public:
    explicit Ways(std::shared_ptr<const quota::Book> book) : book_(std::move(book)) {}
    const quota::Book& book() const { return *book_; }
    const config::Snapshot& catalog() const { return book_->snapshot(); }
    const Way& to(const config::Target& target);

private:
    std::shared_ptr<const quota::Book> book_;
    std::unordered_map<const config::Target*, Way> ways_;
};

/// One worker's side of the gateway. Used on its thread only.
struct Lane {
    Gateway& shared;
    net::Worker& worker;
    net::UpstreamClient upstream;
    std::shared_ptr<Ways> ways;  ///< replaced on this thread when configuration is reloaded
    std::string id_prefix;       ///< random, so that ids of two starts differ
    std::uint64_t counter = 0;

    const config::Snapshot& catalog() const { return ways->catalog(); }
    /// What a decision is made from, as of now.
    route::State state() const {
        return {ways->book(), shared.benches, base::Now::read(), shared.pulls.missing(),
                shared.facts.all()};
    }
    std::string next_id();
};

}  // namespace gateway
