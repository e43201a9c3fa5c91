#include "route/rehearsal.h"

#include "quota/ledger.h"
#include "route/benches.h"
#include "route/consequences.h"
#include "route/decide.h"
#include "route/policy.h"
#include "route/rehearsal_dice.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <utility>

namespace route {
namespace {

using namespace std::chrono_literals;

// A simple cloud: the way there, the time to the first words, and how fast they come.
constexpr base::Duration kShortestWay{20};
constexpr double kWayVaries = 160;  // ms
constexpr base::Duration kFirstWord{250};
constexpr double kPromptPerMs = 4;
constexpr double kAnswerPerMs = 0.08;
constexpr base::Duration kRefusal{60};
constexpr base::Duration kSlowest{20'000};

/// A request under way.
struct Run {
    const Arrival* arrival = nullptr;
    Ask ask;
    RehearsedCall call;
    Decision decision;
    std::size_t at = 0;  ///< candidate
    bool probing = false;
    quota::Reservation reservation;
    std::optional<llm::Failure> refusal;

    const config::Target& target() const { return *decision.candidates[at].target; }
};

struct Event {
    enum class Kind { reaches, head, ends };
    base::Duration at{};
    std::uint64_t number = 0;  ///< of two at the same time the first made comes first
    Kind kind = Kind::reaches;
    Run* run = nullptr;

    bool operator>(const Event& other) const {
        return at != other.at ? at > other.at : number > other.number;
    }
};

class Rehearsal {
public:
    Rehearsal(const config::Snapshot& catalog, const Traffic& traffic, std::uint64_t seed)
        : catalog_(catalog),
          traffic_(traffic),
          dice_(seed),
          book_(ledger_.open(catalog, now())),
          providers_(*catalog),
          under_way_(catalog->targets.size()),
          by_target_(catalog->targets.size()) {}

    Report play() {
        report_.routing = catalog_->settings.routing;
        auto next = traffic_.arrivals.begin();
        while (next != traffic_.arrivals.end() || !events_.empty()) {
            const bool arrives =
                next != traffic_.arrivals.end() &&
                (events_.empty() || next->time - traffic_.begin <= events_.top().at);
            if (arrives) {
                now_ = std::chrono::floor<base::Duration>(next->time - traffic_.begin);
                arrive(*next++);
            } else {
                const Event event = events_.top();
                events_.pop();
                now_ = event.at;
                happen(event);
            }
        }
        return summary();
    }

private:
    /// Benches take the clock's zero for never.
    base::Now now() const { return {base::Time{} + 24h + now_, traffic_.begin + now_}; }
    State state() const { return {*book_, benches_, now()}; }

    std::size_t index(const config::Target& target) const {
        return static_cast<std::size_t>(&target - catalog_->targets.data());
    }

    void after(base::Duration wait, Event::Kind kind, Run& run) {
        events_.push({now_ + wait, ++number_, kind, &run});
    }

    void arrive(const Arrival& arrival) {
        ++report_.requests;
        Run& run = fresh();
        run.arrival = &arrival;
        run.ask.model = traffic_.aliases[arrival.alias];
        run.ask.prompt_bytes = arrival.prompt_bytes;
        run.ask.max_tokens = arrival.max_tokens;
        if (const config::Alias* alias = catalog_->find(run.ask.model)) run.ask.mode = alias->mode;
        run.call = {arrival.prompt_tokens, arrival.answer_tokens, arrival.max_tokens};
        if (arrival.max_tokens)
            run.call.answer_tokens =
                std::min(run.call.answer_tokens, static_cast<double>(*arrival.max_tokens));
        auto decision = decide(state(), run.ask, dice_.number());
        if (decision) run.decision = std::move(*decision);
        walk(run);
    }

    /// Asks the next candidate that may be asked; without one the request is lost.
    void walk(Run& run) {
        for (; run.at < run.decision.candidates.size(); ++run.at) {
            Candidate& candidate = run.decision.candidates[run.at];
            if (candidate.skip == Skip::none && begin(run, candidate)) return;
            if (candidate.skip != Skip::quota) continue;
            ++report_.held_back;
            if (providers_.spared(*candidate.target, run.call, now().wall)) ++report_.spared;
        }
        ++report_.not_served;
        finish(run);
    }

    /// As the gateway begins an attempt: bench, slot, quota. False: skipped after all.
    bool begin(Run& run, Candidate& candidate) {
        const config::Target& target = *candidate.target;
        run.probing = false;
        if (!run.decision.alone) {
            if (auto bench = benches_.admit(target, now().steady, run.probing)) {
                set_aside(candidate, *bench, now().steady);
                return false;
            }
        }
        int& under_way = under_way_[index(target)];
        if (target.max_parallel_requests && under_way >= *target.max_parallel_requests) {
            candidate.skip = Skip::concurrency;
            return give_up_probe(run);
        }
        auto reservation = book_->reserve(target, run.ask.work(target), now());
        if (!reservation) {
            set_aside(candidate, reservation.error());
            return give_up_probe(run);
        }
        run.reservation = std::move(*reservation);
        ++under_way;
        ++report_.calls;
        ++by_target_[index(target)].calls;
        after(kShortestWay + milliseconds(dice_.share() * kWayVaries), Event::Kind::reaches, run);
        return true;
    }

    bool give_up_probe(Run& run) {
        if (run.probing) benches_.release_probe(run.target());
        run.probing = false;
        return false;
    }

    static base::Duration milliseconds(double count) {
        return base::Duration(static_cast<base::Duration::rep>(count));
    }

    void happen(const Event& event) {
        Run& run = *event.run;
        switch (event.kind) {
            case Event::Kind::reaches: reach(run); break;
            case Event::Kind::head: run.reservation.counted(now()); break;
            case Event::Kind::ends: end(run); break;
        }
    }

    void reach(Run& run) {
        run.refusal = providers_.ask(run.target(), run.call, now().wall);
        if (run.refusal) return after(kRefusal, Event::Kind::ends, run);
        const base::Duration head =
            std::min(kFirstWord + milliseconds(run.call.prompt_tokens / kPromptPerMs), kSlowest);
        const base::Duration rest = milliseconds(run.call.answer_tokens / kAnswerPerMs);
        after(head, Event::Kind::head, run);
        after(std::min(head + rest, kSlowest), Event::Kind::ends, run);
    }

    void end(Run& run) {
        --under_way_[index(run.target())];
        if (run.refusal) return refused(run);
        const config::Target& target = run.target();
        providers_.ended(target);
        run.reservation.settle(
            {.input_tokens = run.call.prompt_tokens, .output_tokens = run.call.answer_tokens},
            now());
        benches_.served(target, now().steady);
        give_up_probe(run);
        TargetReport& mine = by_target_[index(target)];
        ++mine.served;
        ++report_.served[static_cast<std::size_t>(target.tier)];
        mine.tokens += run.call.prompt_tokens + run.call.answer_tokens;
        if (target.tier == config::Tier::paid)
            mine.cost_usd += run.call.prompt_tokens * target.prices.input_cost_per_token +
                             run.call.answer_tokens * target.prices.output_cost_per_token;
        finish(run);
    }

    /// What the gateway learns of a refusal, and who comes next.
    void refused(Run& run) {
        const config::Target& target = run.target();
        const llm::Failure& failure = *run.refusal;
        const bool overflow = failure.outcome == llm::Outcome::context_overflow;
        run.reservation.fail(!overflow, {}, now());
        book_->refused(target, failure, now());
        const config::Settings& settings = catalog_->settings;
        if (settings.cooldowns)
            benches_.failed(target, failure,
                            {target.cooldown ? target.cooldown : settings.cooldown,
                             allowed_fails(settings, target, failure)},
                            now().steady);
        give_up_probe(run);
        if (overflow) after_context_overflow(state(), run.ask, run.decision, run.at);
        if (overflow || failure.outcome == llm::Outcome::too_large) {
            ++report_.too_large;
        } else {
            ++report_.refused;
            ++by_target_[index(target)].refused;
        }
        ++run.at;
        walk(run);
    }

    Run& fresh() {
        if (idle_.empty()) return runs_.emplace_back();
        Run& run = *idle_.back();
        idle_.pop_back();
        return run;
    }

    void finish(Run& run) {
        run = Run{};
        idle_.push_back(&run);
    }

    Report summary() {
        report_.limits = providers_.limits();
        for (std::size_t i = 0; i < by_target_.size(); ++i) {
            TargetReport& mine = by_target_[i];
            if (mine.calls == 0) continue;
            mine.target = catalog_->targets[i].id;
            mine.tier = catalog_->targets[i].tier;
            report_.cost_usd += mine.cost_usd;
            report_.targets.push_back(std::move(mine));
        }
        std::ranges::sort(report_.targets, std::ranges::greater{}, &TargetReport::calls);
        return std::move(report_);
    }

    const config::Snapshot& catalog_;
    const Traffic& traffic_;
    Dice dice_;
    base::Duration now_{0};  ///< since the traffic's begin
    quota::Ledger ledger_;
    std::shared_ptr<const quota::Book> book_;
    Benches benches_;
    EmulatedProviders providers_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::uint64_t number_ = 0;
    std::deque<Run> runs_;  ///< stay where they are: events point at them
    std::vector<Run*> idle_;
    std::vector<int> under_way_;  ///< calls by target
    std::vector<TargetReport> by_target_;
    Report report_;
};

}  // namespace

Report rehearse(const config::Snapshot& catalog, const Traffic& traffic, std::uint64_t seed) {
    return Rehearsal(catalog, traffic, seed).play();
}

}  // namespace route
