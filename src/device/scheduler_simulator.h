#pragma once

#include "device/scheduler_world.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace device::simulator {

/// Plays a world through, event by event, and checks after each that the scheduler kept what it
/// promises against what is really loaded.
class Simulator {
public:
    explicit Simulator(const World& world)
        : world_(world), scheduler_(world.terms), random_(world.seed) {
        truth_.resize(world.models.size());
        jobs_.resize(world.requests.size());
        report_.waits.resize(world.requests.size());
        for (std::size_t i = 0; i < world.requests.size(); ++i)
            at(world.requests[i].at, [this, i] { arrive(i); });
        for (const auto& [time, bytes] : world.hog) at(time, [this, bytes] { hog(bytes); });
        for (const Stranger& stranger : world.strangers)
            at(stranger.at, [this, stranger] { intrude(stranger); });
        at(Duration(0), [this] { poll(); });
    }

    Report run() {
        while (!events_.empty() || scheduler_.due() != Time::max()) {
            const Time due = scheduler_.due();
            if (events_.empty() || due < events_.top().time) {
                now_ = std::max(now_, due);
                scheduler_.tick(now_);
                if (scheduler_.due() <= now_) return fail("due() does not move on");
            } else {
                const Event event = events_.top();
                events_.pop();
                now_ = event.time;
                event.happen();
            }
            carry_out();
            if (report_.problems.size() > 5) return report_;
        }
        check_end();
        return report_;
    }

private:
    enum class Truth { absent, loading, loaded, unloading };
    enum class State { not_yet, waiting, loading, working, done };
    struct Held {
        Truth truth = Truth::absent;
        bool listed = false;  ///< when its engine was last asked
        int users = 0;        ///< requests at work in it, strangers included
        int load_number = 0;
        int leases = 0;
        std::vector<std::size_t> joiners;  ///< granted, and waiting for it to be loaded
    };
    struct Job {
        State state = State::not_yet;
        Time asked;
        std::uint64_t least_hog = 0;  ///< since its grant
    };
    struct Event {
        Time time;
        std::uint64_t number;
        std::function<void()> happen;
        bool operator<(const Event& other) const {
            return std::pair(other.time, other.number) < std::pair(time, number);
        }
    };

    void at(Duration time, std::function<void()> happen) {
        events_.push({Time(time), events_pushed_++, std::move(happen)});
    }
    void after(Duration time, std::function<void()> happen) {
        events_.push({now_ + time, events_pushed_++, std::move(happen)});
    }
    bool chance(double probability) {
        return std::uniform_real_distribution<>(0, 1)(random_) < probability;
    }
    const Report& fail(const std::string& what) {
        const auto ms = std::chrono::duration_cast<Duration>(now_.time_since_epoch()).count();
        report_.problems.push_back("at " + std::to_string(ms) + " ms: " + what);
        return report_;
    }
    bool alive(std::size_t i) const {
        return jobs_[i].state != State::not_yet && jobs_[i].state != State::done;
    }
    bool leased(std::size_t model) const { return truth_[model].leases > 0; }

    // Clients.

    void arrive(std::size_t i) {
        const Request& request = world_.requests[i];
        jobs_[i] = {State::waiting, now_, 0};
        scheduler_.ask(i, world_.models[request.model].need, now_);
        if (request.leaves_after) after(*request.leaves_after, [this, i] { hang_up(i); });
    }

    void hang_up(std::size_t i) {
        if (!alive(i)) return;
        const State state = std::exchange(jobs_[i].state, State::done);
        const std::size_t model = world_.requests[i].model;
        Held& held = truth_[model];
        if (state == State::waiting) return scheduler_.withdraw(i, now_);
        if (state == State::working) --held.users;
        std::erase(held.joiners, i);
        const bool abandoned = held.truth == Truth::loading && held.joiners.empty();
        if (abandoned && !chance(world_.goes_on_loading)) held.truth = Truth::absent;
        give_up(i, false);
    }

    void give_up(std::size_t i, bool failed) {
        jobs_[i].state = State::done;
        --truth_[world_.requests[i].model].leases;
        --holders_;
        report_.end = std::chrono::duration_cast<Duration>(now_.time_since_epoch());
        scheduler_.release(i, failed, now_);
    }

    // The engines.

    void use(std::size_t i) {
        const std::size_t model = world_.requests[i].model;
        Held& held = truth_[model];
        switch (held.truth) {
            case Truth::loaded: work(i, {}); break;
            case Truth::unloading:
            case Truth::loading: held.joiners.push_back(i); break;
            case Truth::absent:
                held.joiners.push_back(i);
                check_memory(i);
                load(model);
        }
    }

    void load(std::size_t model) {
        Held& held = truth_[model];
        held.truth = Truth::loading;
        ++report_.loads;
        const int number = ++held.load_number;
        after(world_.models[model].load, [this, model, number] { end_load(model, number); });
    }

    void end_load(std::size_t model, int number) {
        Held& held = truth_[model];
        if (held.truth != Truth::loading || held.load_number != number) return;
        const bool failed = chance(world_.load_fails);
        held.truth = failed ? Truth::absent : Truth::loaded;
        for (const std::size_t i : std::exchange(held.joiners, {})) {
            if (failed)
                give_up(i, true);
            else
                work(i, world_.models[model].load);
        }
    }

    void work(std::size_t i, std::optional<Duration> took) {
        jobs_[i].state = State::working;
        ++truth_[world_.requests[i].model].users;
        scheduler_.loaded(i, took, now_);
        after(world_.requests[i].work, [this, i] {
            if (jobs_[i].state != State::working) return;
            --truth_[world_.requests[i].model].users;
            give_up(i, false);
        });
    }

    void intrude(const Stranger& stranger) {
        Held& held = truth_[stranger.model];
        const ModelKey& key = world_.models[stranger.model].key;
        if (held.truth != Truth::absent || leased(stranger.model)) return;
        if (taken({}) + world_.models[stranger.model].real + hog_ > world_.terms.budget) return;
        held.truth = Truth::loaded;
        ++held.users;
        tell(key.engine);
        after(stranger.work, [&held] { --held.users; });
    }

    void poll() {
        std::set<std::string> engines;
        for (const Model& model : world_.models) engines.insert(model.key.engine);
        for (const std::string& engine : engines) {
            if (world_.dies > 0 && chance(world_.dies))
                die(engine);
            else if (chance(world_.unreachable))
                scheduler_.unreachable(engine, now_);
            else
                tell(engine);
        }
        const bool idle = std::ranges::none_of(truth_, [](const Held& held) {
            return held.users > 0 || held.truth == Truth::loading;
        });
        const bool over = idle && std::ranges::all_of(jobs_, [](const Job& job) {
                              return job.state == State::done;
                          });
        if (!over && now_ < Time(std::chrono::hours(48))) after(world_.poll, [this] { poll(); });
    }

    /// Its requests fail, and it is seen to be gone; from then on it is there again, empty.
    void die(const std::string& engine) {
        for (std::size_t model = 0; model < truth_.size(); ++model) {
            if (world_.models[model].key.engine != engine) continue;
            Held& held = truth_[model];
            held.truth = Truth::absent;
            held.joiners.clear();
            for (std::size_t i = 0; i < jobs_.size(); ++i) {
                if (world_.requests[i].model != model || !alive(i)) continue;
                if (jobs_[i].state == State::waiting) continue;
                if (jobs_[i].state == State::working) --held.users;
                give_up(i, false);
            }
        }
        scheduler_.lost(engine, std::nullopt, now_);
    }

    void tell(const std::string& engine) {
        std::vector<Resident> list;
        for (std::size_t model = 0; model < truth_.size(); ++model) {
            Held& held = truth_[model];
            const auto& [key, real, need, load] = world_.models[model];
            if (key.engine != engine) continue;
            held.listed = held.truth != Truth::absent;
            if (!held.listed) continue;
            const bool loading = held.truth == Truth::loading;
            const std::uint64_t bytes = loading ? real / 3 : real;
            list.push_back({key.model, world_.says_bytes ? bytes : 0, loading || held.users > 0});
        }
        scheduler_.observed(engine, std::move(list), now_);
    }

    // What the scheduler wants.

    void carry_out() {
        for (auto actions = scheduler_.take_actions(); !actions.empty();
             actions = scheduler_.take_actions()) {
            for (const Scheduler::Action& action : actions) {
                switch (action.kind) {
                    case Scheduler::Action::Kind::grant: granted(action); break;
                    case Scheduler::Action::Kind::refuse:
                        jobs_[action.ticket].state = State::done;
                        ++report_.refused;
                        break;
                    case Scheduler::Action::Kind::evict: evict(action.key); break;
                }
            }
        }
    }

    void granted(const Scheduler::Action& action) {
        const std::size_t i = action.ticket;
        if (jobs_[i].state != State::waiting) {
            fail("a grant for one who left: " + std::to_string(i));
            return;
        }
        check_turn(i);
        jobs_[i].state = State::loading;
        jobs_[i].least_hog = hog_;
        report_.waits[i] = std::chrono::duration_cast<Duration>(now_ - jobs_[i].asked);
        ++truth_[world_.requests[i].model].leases;
        ++holders_;
        if (world_.terms.jobs > 0 && holders_ > world_.terms.jobs) fail("too many jobs");
        use(i);
    }

    void evict(const ModelKey& key) {
        ++report_.evictions;
        const std::size_t model = index(key);
        if (leased(model)) fail("evicts " + key.model + " from under a lease");
        if (std::ranges::none_of(jobs_, [](const Job& job) { return job.state == State::waiting; }))
            fail("evicts " + key.model + " for nobody");
        const double factor = std::uniform_real_distribution<>(1, 3)(random_);
        const Duration time(static_cast<Duration::rep>(factor * double(world_.unload.count())));
        if (chance(world_.unload_fails)) {
            after(time, [this, key] { scheduler_.eviction_failed(key, "it stays", now_); });
            if (chance(0.5)) after(time * 4, [this, model] { unload_late(model); });
            return;
        }
        after(time, [this, model, key] { unload(model, key, 5); });
    }

    void unload(std::size_t model, const ModelKey& key, int tries) {
        Held& held = truth_[model];
        const bool used = held.users > 0 || held.truth == Truth::loading;
        if (used && tries > 0)
            return after(Duration(1'000), [=, this] { unload(model, key, tries - 1); });
        if (used) return scheduler_.eviction_failed(key, "it is at work", now_);
        held.truth = held.truth == Truth::absent ? Truth::absent : Truth::unloading;
        after(Duration(300), [this, model, key] {
            truth_[model].truth = Truth::absent;
            scheduler_.evicted(key, now_);
        });
    }

    /// It goes after its eviction was given up. Requests may have come to it meanwhile.
    void unload_late(std::size_t model) {
        Held& held = truth_[model];
        if (held.truth == Truth::loaded && held.users == 0) held.truth = Truth::absent;
    }

    void hog(std::uint64_t bytes) {
        hog_ = bytes;
        for (Job& job : jobs_) job.least_hog = std::min(job.least_hog, bytes);
        scheduler_.others(bytes, now_);
    }

    std::size_t index(const ModelKey& key) const {
        const auto found = std::ranges::find(world_.models, key, &Model::key);
        return static_cast<std::size_t>(found - world_.models.begin());
    }

    // What must hold.

    /// What is in the memory or will be by a lease, besides `model`.
    std::uint64_t taken(std::optional<std::size_t> except) const {
        std::uint64_t sum = 0;
        for (std::size_t model = 0; model < truth_.size(); ++model)
            if (model != except && (truth_[model].truth != Truth::absent || leased(model)))
                sum += world_.models[model].real;
        return sum;
    }

    void check_memory(std::size_t i) {
        const std::size_t model = world_.requests[i].model;
        const std::uint64_t besides = taken(model);
        const std::string name = world_.models[model].key.model;
        // One of unknown size gets what is left, alone: nobody can tell whether that is enough.
        const bool blind = world_.models[model].need.bytes == 0 && besides == 0;
        // One that its engine dropped unseen was there for all the scheduler knew.
        const std::uint64_t others = truth_[model].listed ? 0 : jobs_[i].least_hog;
        if (!world_.terms.budget) {
            if (besides > 0) fail("loads " + name + " beside another model");
        } else if (!blind && besides + world_.models[model].real + others > *world_.terms.budget) {
            fail("loads " + name + " into memory that is taken");
        }
        const Need& need = world_.models[model].need;
        int in_engine = 0;
        for (std::size_t other = 0; other < truth_.size(); ++other)
            in_engine += world_.models[other].key.engine == need.key.engine &&
                         (truth_[other].truth != Truth::absent || leased(other));
        if (need.engine_models > 0 && in_engine > need.engine_models && !truth_[model].listed)
            fail("loads " + name + " into an engine that is full");
    }

    /// On a device for one model nobody patient goes before somebody out of patience, unless they
    /// want the same model, or an engine that lets nothing go keeps that one from being served.
    void check_turn(std::size_t i) {
        if (world_.unload_fails > 0 || world_.unreachable > 0 || world_.dies > 0) return;
        if (world_.terms.budget || now_ - jobs_[i].asked >= world_.terms.patience) return;
        for (std::size_t other = 0; other < jobs_.size(); ++other) {
            const Job& job = jobs_[other];
            const bool before = job.state == State::waiting && job.asked < jobs_[i].asked &&
                                now_ - job.asked >= world_.terms.patience;
            if (before && world_.requests[other].model != world_.requests[i].model)
                fail(std::to_string(i) + " overtakes " + std::to_string(other));
        }
    }

    void check_end() {
        for (const Model& model : world_.models) tell(model.key.engine);
        const Scheduler::View view = scheduler_.view(now_);
        if (!view.waiting.empty()) fail("somebody waits for ever");
        for (const auto& model : view.models) {
            if (model.leases > 0) fail("a lease on " + model.key.model + " never ends");
            const Truth truth = truth_[index(model.key)].truth;
            if (truth == Truth::absent) fail(model.key.model + " is counted and not there");
        }
        if (!std::ranges::all_of(jobs_, [](const Job& job) { return job.state == State::done; }))
            fail("a request never ends");
    }

    const World& world_;
    Scheduler scheduler_;
    std::mt19937_64 random_;
    Time now_{};
    std::priority_queue<Event> events_;
    std::uint64_t events_pushed_ = 0;
    std::vector<Held> truth_;
    std::vector<Job> jobs_;
    int holders_ = 0;
    std::uint64_t hog_ = 0;
    Report report_;
};

inline Report play(const World& world) { return Simulator(world).run(); }

}  // namespace device::simulator
