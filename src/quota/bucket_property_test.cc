#include "quota/bucket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>

namespace quota {
namespace {

using namespace std::chrono_literals;
using base::Now;
using base::Time;
using base::WallTime;

constexpr double kDust = 1e-6;

/// A provider that counts in the plainest way there is.
class Provider {
public:
    explicit Provider(Rule rule) : rule_(std::move(rule)) {}

    /// Counts a call; false: that was one too many.
    bool count(double amount, Now now) {
        total += amount;
        switch (rule_.reset) {
            case Reset::token_bucket: return refill(amount, now.steady);
            case Reset::rolling: return roll(amount, now.steady);
            case Reset::fixed:
                return add(periods_[aligned(now.wall, rule_.span, rule_.time_zone).begin], amount);
            case Reset::calendar_month:
                return add(periods_[month_around(now.wall, rule_.time_zone).begin], amount);
            case Reset::first_use:
                if (now.steady >= end_) {
                    used_ = 0;
                    end_ = now.steady + rule_.span;
                }
                return add(used_, amount);
            case Reset::lifetime: return add(used_, amount);
        }
        return false;
    }

    double total = 0;

private:
    bool add(double& used, double amount) const {
        used += amount;
        return used <= *rule_.limit + kDust;
    }
    bool refill(double amount, Time now) {
        const double at = std::chrono::duration<double>(now.time_since_epoch()).count();
        const double span = std::chrono::duration<double>(rule_.span).count();
        empty_at_ = std::max(empty_at_, at) + amount * span / *rule_.limit;
        return empty_at_ <= at + span * (1 + 1e-9) + 1e-9;
    }
    bool roll(double amount, Time now) {
        while (!list_.empty() && list_.front().first + rule_.span <= now) {
            used_ -= list_.front().second;
            list_.pop_front();
        }
        list_.emplace_back(now, amount);
        return add(used_, amount);
    }

    Rule rule_;
    double empty_at_ = 0;
    double used_ = 0;
    Time end_{};
    std::deque<std::pair<Time, double>> list_;
    std::map<WallTime, double> periods_;
};

struct Traffic {
    base::Duration lasts{0};
    base::Duration slowest{20};  ///< until the head of an answer
    base::Duration pause{5};     ///< between two arrivals, at most
    double largest = 1;
    base::Duration longest{100};  ///< from the head of an answer to its end
    bool corrections = false;     ///< real amounts differ, some calls don't count
    bool leavers = false;         ///< some callers leave before the head of an answer
    bool kills = false;
    bool jumps = false;  ///< of our wall clock, not of the provider's
};

/// Clients that take whenever they may, a bucket, and a provider behind random delays.
class Simulation {
public:
    Simulation(Rule rule, Traffic traffic, std::uint64_t seed, WallTime start)
        : rule_(rule), traffic_(traffic), random_(seed), start_(start), provider_(rule) {
        bucket_ = std::make_unique<Bucket>("x", rule_);
        bucket_->attach(&mark_);
        saved_ = bucket_->save(ours());
    }

    void run() {
        const Time end = now_ + traffic_.lasts;
        at(0ms, [this] { arrive(); });
        while (!events_.empty() && events_.top().time <= end && exceeded == 0) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.time;
            event.act();
        }
    }

    double counted() const { return provider_.total; }
    int exceeded = 0;

private:
    struct Event {
        Time time;
        std::uint64_t order;
        std::function<void()> act;
        bool operator<(const Event& other) const {
            return std::pair(time, order) > std::pair(other.time, other.order);
        }
    };

    Now theirs() const { return {now_, start_ + (now_ - Time(1000s))}; }
    Now ours() const { return {now_, theirs().wall + ahead_}; }
    void at(base::Time::duration in, std::function<void()> act) {
        events_.push({now_ + in, ++order_, std::move(act)});
    }
    double chance() { return std::uniform_real_distribution<>(0, 1)(random_); }
    base::Time::duration some(base::Time::duration most) {
        return base::Time::duration(
            std::uniform_int_distribution<std::int64_t>(0, most.count())(random_));
    }

    void arrive() {
        if (traffic_.jumps && chance() < 0.01) ahead_ = some(48h) - 24h;
        if (traffic_.kills && chance() < 0.01) kill();
        if (traffic_.kills && chance() < 0.03) saved_ = bucket_->save(ours());
        const double amount = std::ceil(chance() * traffic_.largest);
        if (bucket_->available(ours()) + kDust >= amount) {
            send(amount);
            return at(some(traffic_.pause), [this] { arrive(); });
        }
        const auto wait = bucket_->earliest(amount, ours());
        at(std::max<base::Duration>(wait.value_or(10s), 1ms), [this] { arrive(); });
    }

    void send(double amount) {
        const Hold hold = bucket_->hold(amount, ours());
        const auto head = some(traffic_.slowest);
        const double fate = traffic_.corrections ? chance() : 1;
        const int life = life_;
        if (fate < 0.05) {
            at(head, [=, this] {
                if (life == life_) bucket_->refund(hold);
            });
            return;
        }
        const double real = traffic_.corrections ? std::ceil(amount * chance()) : amount;
        if (traffic_.leavers && chance() < 0.4) return leave(hold, real, some(head));
        at(some(std::min<base::Time::duration>(head, Bucket::kCountedWithin)), [=, this] {
            if (fate >= 0.1 && !provider_.count(real, theirs())) ++exceeded;
        });
        at(head, [=, this] {
            if (life == life_) bucket_->charge(hold, ours());
        });
        at(head + some(traffic_.longest), [=, this] {
            if (life != life_) return;
            if (fate < 0.1)
                bucket_->refund(hold);
            else
                bucket_->settle(hold, real, ours());
        });
    }

    /// Left after `stay`: the provider counts it when it hears of that, if it has not before.
    void leave(const Hold& hold, double real, base::Time::duration stay) {
        const auto heard = stay + some(Bucket::kLeftWithin);
        at(std::min<base::Time::duration>(heard, some(Bucket::kCountedWithin)), [=, this] {
            if (!provider_.count(real, theirs())) ++exceeded;
        });
        at(stay, [=, this, life = life_] {
            if (life == life_) bucket_->lost(hold, ours());
        });
    }

    void kill() {
        ++life_;
        const Mark left = mark_;
        auto next = std::make_unique<Bucket>("x", rule_);
        next->restore(saved_, &left, ours());
        // A first_use window that is shorter than its calls take may be counted more cautiously
        // by whoever saw them all; there the provider alone is the judge.
        const bool comparable = rule_.reset != Reset::first_use || rule_.span > 10s;
        for (const auto later : {0ms, 700ms, 2'500ms, 60'000ms}) {
            const Now then{now_ + later, ours().wall + later};
            if (comparable) {
                EXPECT_LE(next->available(then), bucket_->available(then) + kDust)
                    << name(rule_.reset) << " span " << rule_.span.count();
            }
        }
        next = std::make_unique<Bucket>("x", rule_);
        next->restore(saved_, &left, ours());
        bucket_ = std::move(next);
        bucket_->attach(&mark_);
    }

    Rule rule_;
    Traffic traffic_;
    std::mt19937_64 random_;
    WallTime start_;
    Provider provider_;
    Mark mark_;
    std::unique_ptr<Bucket> bucket_;
    Saved saved_;
    Time now_{1000s};
    base::Time::duration ahead_{0};
    int life_ = 0;
    std::uint64_t order_ = 0;
    std::priority_queue<Event> events_;
};

WallTime date(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
    using namespace std::chrono;
    return sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) +
           hours(hour) + minutes(minute);
}

Rule rule(Reset reset, base::Duration span, double limit, std::string zone = "UTC") {
    Rule out;
    out.reset = reset;
    out.span = span;
    out.limit = limit;
    out.time_zone = std::move(zone);
    return out;
}

constexpr std::array kKinds{Reset::token_bucket,   Reset::rolling,   Reset::fixed,
                            Reset::calendar_month, Reset::first_use, Reset::lifetime};

struct Case {
    base::Duration span;
    double limit;
};
constexpr std::array kCases{Case{1s, 3},   Case{30s, 1},    Case{60s, 30},    Case{60s, 6'000},
                            Case{1h, 200}, Case{5h, 1'500}, Case{24h, 2'000}, Case{168h, 50}};

/// Runs every kind with every case several times, so that nothing is ever one too many: with
/// more calls than fit, and with just about as many.
void never_over(const std::function<Traffic(const Rule&)>& traffic) {
    std::uint64_t seed = 1;
    for (const Reset reset : kKinds)
        for (const auto& [span, limit] : kCases) {
            Rule one = rule(reset, span, limit);
            if (reset == Reset::calendar_month) one.span = 31 * 24h;
            for (int turn = 0; turn < (limit > 1'000 ? 2 : 10); ++turn) {
                Traffic chosen = traffic(one);
                chosen.lasts = one.span * 6;
                if (turn % 2 == 1)
                    chosen.pause = one.span * 2 / static_cast<int>(limit / chosen.largest + 1);
                Simulation simulation(one, chosen, ++seed, date(2026, 3, 28, 22, 59));
                simulation.run();
                EXPECT_EQ(simulation.exceeded, 0) << name(reset) << " span " << one.span.count()
                                                  << " limit " << limit << " seed " << seed;
            }
        }
}

TEST(BucketProperty, SlowAnswersNeverMakeOneTooMany) {
    never_over([](const Rule& one) {
        return Traffic{.slowest = 5'000ms,
                       .pause = std::min<base::Duration>(one.span / 50, 400ms),
                       .largest = std::max(1.0, *one.limit / 20)};
    });
}

TEST(BucketProperty, CorrectionsAndRefundsNeverMakeOneTooMany) {
    never_over([](const Rule& one) {
        return Traffic{.slowest = 4'000ms,
                       .pause = std::min<base::Duration>(one.span / 30, 700ms),
                       .largest = std::max(1.0, *one.limit / 10),
                       .longest = 90'000ms,
                       .corrections = true};
    });
}

TEST(BucketProperty, CallersWhoLeaveNeverMakeOneTooMany) {
    for (const bool kills : {false, true})
        never_over([&](const Rule& one) {
            return Traffic{.slowest = 1'500ms,
                           .pause = std::min<base::Duration>(one.span / 30, 300ms),
                           .largest = std::max(1.0, *one.limit / 20),
                           .corrections = true,
                           .leavers = true,
                           .kills = kills};
        });
}

TEST(BucketProperty, NothingIsForgottenWhenKilled) {
    never_over([](const Rule& one) {
        return Traffic{.slowest = 3'000ms,
                       .pause = std::min<base::Duration>(one.span / 30, 700ms),
                       .largest = std::max(1.0, *one.limit / 20),
                       .longest = 20'000ms,
                       .corrections = true,
                       .kills = true};
    });
}

TEST(BucketProperty, JumpsOfTheWallClockDoNotTouchWhatGoesByTheOther) {
    std::uint64_t seed = 70;
    for (const Reset reset :
         {Reset::token_bucket, Reset::rolling, Reset::first_use, Reset::lifetime})
        for (const auto& [span, limit] : kCases) {
            const Traffic traffic{.lasts = span * 6, .slowest = 500ms, .jumps = true};
            Simulation simulation(rule(reset, span, limit), traffic, ++seed, date(2026, 5, 5));
            simulation.run();
            EXPECT_EQ(simulation.exceeded, 0) << name(reset) << " span " << span.count();
        }
}

TEST(BucketProperty, NearlyAllThatIsAllowedIsUsed) {
    std::uint64_t seed = 200;
    for (const Reset reset : kKinds)
        for (const auto& [span, limit] : kCases) {
            if (span < 30s || reset == Reset::calendar_month) continue;
            const Traffic traffic{
                .lasts = span * 10,
                .slowest = 20ms,
                .pause = std::min<base::Duration>(span / 2 / static_cast<int>(limit), 5'000ms)};
            Simulation simulation(rule(reset, span, limit), traffic, ++seed, date(2026, 3, 2, 5));
            simulation.run();
            const double allowed = reset == Reset::lifetime ? limit : limit * 10;
            EXPECT_EQ(simulation.exceeded, 0);
            EXPECT_GE(simulation.counted(), allowed * 0.95)
                << name(reset) << " span " << span.count() << " limit " << limit;
        }
}

TEST(BucketProperty, PeriodsFollowLocalClocks) {
    struct Place {
        const char* zone;
        WallTime start;
    };
    const Place places[] = {
        {"Europe/Berlin", date(2026, 3, 27)},      {"Europe/Berlin", date(2026, 10, 23)},
        {"America/New_York", date(2026, 3, 6)},    {"America/New_York", date(2026, 10, 30)},
        {"Australia/Lord_Howe", date(2026, 4, 3)}, {"Australia/Lord_Howe", date(2026, 10, 2)}};
    std::uint64_t seed = 300;
    for (const auto& [zone, start] : places)
        for (const base::Duration span : {base::Duration(1h), base::Duration(24h)}) {
            const Traffic traffic{.lasts = 4 * 24h, .slowest = 3'000ms, .pause = 30'000ms};
            Simulation simulation(rule(Reset::fixed, span, 40, zone), traffic, ++seed, start);
            simulation.run();
            EXPECT_EQ(simulation.exceeded, 0) << zone << ' ' << span.count();
            EXPECT_GE(simulation.counted(), 40 * 0.95 * static_cast<double>(4 * 24h / span))
                << zone;
        }
    for (const WallTime start : {date(2028, 2, 27), date(2026, 2, 26), date(2026, 12, 30)}) {
        const Traffic traffic{.lasts = 5 * 24h, .slowest = 3'000ms, .pause = 30'000ms};
        Simulation simulation(rule(Reset::calendar_month, 31 * 24h, 50, "Europe/Berlin"), traffic,
                              ++seed, start);
        simulation.run();
        EXPECT_EQ(simulation.exceeded, 0);
        EXPECT_EQ(simulation.counted(), 100);
    }
}

TEST(BucketProperty, ExactlyNAndBackAtTheStatedSecond) {
    for (const Reset reset : kKinds)
        for (const auto& [span, limit] : kCases) {
            Rule one = rule(reset, span, limit);
            if (reset == Reset::calendar_month) one.span = 31 * 24h;
            Bucket bucket("x", one);
            Now now{Time(5000s), date(2026, 7, 14, 11, 30)};
            int taken = 0;
            while (bucket.available(now) + kDust >= 1) {
                bucket.charge(bucket.hold(1, now), now);
                ++taken;
            }
            EXPECT_EQ(taken, static_cast<int>(limit)) << name(reset);
            const auto back = bucket.earliest(1, now);
            EXPECT_EQ(back.has_value(), reset != Reset::lifetime) << name(reset) << span.count();
            if (!back) continue;
            const auto later = [&](base::Duration in) {
                return Now{now.steady + in, now.wall + in};
            };
            EXPECT_LT(bucket.available(later(*back - 1ms)), 1) << name(reset) << span.count();
            EXPECT_GE(bucket.available(later(*back)) + kDust, 1) << name(reset) << span.count();
        }
}

}  // namespace
}  // namespace quota
