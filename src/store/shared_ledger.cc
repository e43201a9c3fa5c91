#include "store/shared_ledger.h"

#include "base/log.h"
#include "store/shared_ledger_scripts.h"

#include <fmt/format.h>
#include <csignal>

#include <algorithm>
#include <charconv>
#include <utility>

namespace store {
namespace {

using namespace std::chrono_literals;

/// Wants start a round at once, but not more often than this.
constexpr base::Duration kLeastGap{4};
/// A want that is not repeated is forgotten.
constexpr base::Duration kWantLasts{150};
constexpr std::size_t kMostWants = 4096;
/// Use to have in hand, at the recent rate.
constexpr double kAheadSeconds = 0.5;

bool shareable(const quota::Bucket& bucket) {
    const quota::Metric metric = bucket.rule().metric;
    return metric != quota::Metric::concurrency && metric != quota::Metric::utilization &&
           bucket.limit();
}

/// Amounts that are handed out whole: a third of a request is of no use.
bool whole(quota::Metric metric) {
    return metric != quota::Metric::usd && metric != quota::Metric::audio_seconds;
}

/// What even an idle gateway keeps, so that its first call need not wait.
double reserve_of(const quota::Bucket& bucket) {
    const double limit = bucket.limit().value_or(0);
    if (bucket.rule().metric == quota::Metric::requests) return std::max(1.0, limit / 50);
    return limit / 25;
}

quota::Period period_of(const quota::Rule& rule, base::WallTime at) {
    if (rule.reset == quota::Reset::fixed) return quota::aligned(at, rule.span, rule.time_zone);
    if (rule.reset == quota::Reset::calendar_month) return quota::month_around(at, rule.time_zone);
    return {};
}

std::string ms(base::WallTime time) {
    return std::to_string(
        std::chrono::duration_cast<base::Duration>(time.time_since_epoch()).count());
}

template <class Number>
std::optional<Number> number(const std::string& text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// hiredis writes with write(2): a Redis that goes away must not end the process.
void block_sigpipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

base::Result<std::unique_ptr<SharedLedger>> SharedLedger::open(const std::string& url, Each each,
                                                               std::string gateway) {
    auto address = redis_address(url);
    if (!address) return std::unexpected(address.error());
    return std::unique_ptr<SharedLedger>(
        new SharedLedger(std::move(*address), std::move(each), std::move(gateway)));
}

SharedLedger::SharedLedger(RedisAddress address, Each each, std::string gateway)
    : address_(std::move(address)), each_(std::move(each)), gateway_(std::move(gateway)) {}

void SharedLedger::start() {
    adopt();
    thread_ = std::thread([this] { run(); });
}

void SharedLedger::adopt() {
    each_([](quota::Bucket& bucket) {
        if (shareable(bucket)) bucket.share(true);
    });
}

bool SharedLedger::want(const std::string& key, double amount) {
    const std::lock_guard lock(mutex_);
    if (wants_.size() >= kMostWants && !wants_.contains(key)) return false;
    Want& want = wants_[key];
    want.sum += amount;
    want.largest = std::max(want.largest, amount);
    want.least = want.least > 0 ? std::min(want.least, amount) : amount;
    if (!cut_off_) wake_.notify_one();
    return !cut_off_;
}

void SharedLedger::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

SharedLedger::Status SharedLedger::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

void SharedLedger::say(bool connected, std::string problem) {
    const bool changed = [&] {
        const std::lock_guard lock(mutex_);
        cut_off_ = !connected;
        const Status before = std::exchange(status_, {connected, problem});
        return before.connected != connected || before.problem != problem;
    }();
    if (!changed) return;
    if (connected)
        base::log::write(base::log::Level::info, "limits are shared",
                         {{"redis", address_.shown()}});
    else
        base::log::write(base::log::Level::warning, "cut off from the shared limits",
                         {{"redis", address_.shown()}, {"reason", problem}});
}

/// False when it is time to stop.
bool SharedLedger::wait(base::Duration longest) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::min(longest, kLeastGap), [&] { return stopping_; });
    if (longest > kLeastGap)
        wake_.wait_for(lock, longest - kLeastGap,
                       [&] { return stopping_ || (!cut_off_ && !wants_.empty()); });
    return !stopping_;
}

void SharedLedger::run() {
    block_sigpipe();
    base::Duration retry = kFirstRetry;
    base::Duration pause{0};
    while (wait(pause)) {
        auto done = redis_ ? base::Result<void>() : connect();
        if (done) done = round();
        pause = done ? kRound : retry;
        retry = done ? kFirstRetry : std::min(2 * retry, kLastRetry);
        if (!done) redis_.reset();
        say(done.has_value(), done ? std::string() : done.error().detail);
    }
    leaving_ = true;
    if (redis_ && !round()) redis_.reset();
}

base::Result<void> SharedLedger::connect() {
    adopt();
    auto connected = Redis::connect(address_, kTimeout);
    if (!connected) return std::unexpected(connected.error());
    redis_ = std::move(*connected);
    auto loaded = redis_->pipeline({{"SCRIPT", "LOAD", std::string(kReportScript)}});
    if (!loaded) return std::unexpected(loaded.error());
    if (loaded->front().error) return base::fail(base::ErrorKind::io, loaded->front().text);
    script_ = loaded->front().text;
    return {};
}

void SharedLedger::take_wants() {
    std::map<std::string, Want> wants;
    {
        const std::lock_guard lock(mutex_);
        wants.swap(wants_);
    }
    const base::Time now = base::Clock::now();
    for (auto& [key, want] : wants) {
        Entry& entry = entries_[key];
        entry.want = want;
        entry.wanted = now;
        entry.typical = std::max(want.largest, entry.typical * 0.9);
    }
}

base::Result<void> SharedLedger::round() {
    take_wants();
    ++pass_;
    std::vector<Ask> asks;
    const base::Time began = base::Clock::now();
    each_([&](quota::Bucket& bucket) {
        if (!shareable(bucket)) return;
        bucket.share(true);
        const base::Now now = base::Now::read();
        Entry& entry = entries_[bucket.key()];
        entry.pass = pass_;
        if (leaving_ || due(bucket, entry, now)) asks.push_back(ask(bucket, entry, now));
    });
    std::erase_if(entries_, [this](const auto& one) { return one.second.pass != pass_; });
    if (asks.empty()) return began - spoke_ >= kIdle ? ping() : base::Result<void>();
    auto grants = send(asks);
    if (!grants) return std::unexpected(grants.error());
    if (!leaving_) apply(*grants, began);
    return {};
}

/// Without limits to report, a Redis that went away would go unnoticed.
base::Result<void> SharedLedger::ping() {
    spoke_ = base::Clock::now();
    auto answer = redis_->pipeline({{"PING"}});
    if (!answer) return std::unexpected(answer.error());
    return answer->front().error ? base::fail(base::ErrorKind::io, answer->front().text)
                                 : base::Result<void>();
}

bool SharedLedger::due(const quota::Bucket& bucket, Entry& entry, base::Now now) const {
    if (now.steady - entry.wanted > kWantLasts) entry.want = {};
    if (entry.give || entry.want.sum > 0 || now.steady >= entry.due) return true;
    const bool moved = bucket.spent() != entry.spent || bucket.held() != entry.held;
    return moved && now.steady - entry.reported >= kRound - kLeastGap;
}

/// Takes back what others need, or what was long idle; returns what is left.
double SharedLedger::keep(quota::Bucket& bucket, Entry& entry, double reserve, base::Now now) {
    const double left = bucket.granted(now);
    const bool idle = now.steady - entry.moved >= kIdle;
    double kept = idle ? std::min(left, reserve) : left;
    if (entry.give || leaving_) kept = 0;
    if (kept > 0 && kept == left) return left;
    bucket.withdraw();  // also what has expired: Redis no longer counts it as ours
    if (kept > 0) bucket.grant(kept, entry.until);
    return kept;
}

SharedLedger::Ask SharedLedger::ask(quota::Bucket& bucket, Entry& entry, base::Now now) {
    const quota::Rule& rule = bucket.rule();
    const quota::Period period = period_of(rule, now.wall + ahead_);
    const double floor = bucket.charged_used(now);
    if (bucket.spent() != entry.spent || bucket.held() > 0) entry.moved = now.steady;
    entry.spent = bucket.spent();
    entry.held = bucket.held();
    const double reserve = std::max(reserve_of(bucket), entry.typical);
    const double left = keep(bucket, entry, reserve, now);
    const bool wanting = entry.want.sum > 0;
    const double target =
        entry.give && !wanting
            ? 0
            : std::max({reserve, bucket.rate(now) * kAheadSeconds, entry.want.sum});
    entry.reported = now.steady;
    entry.due = now.steady + kRound;
    Redis::Command command{"EVALSHA",
                           script_,
                           "1",
                           fmt::format("freeway:{{{}}}:{}", bucket.key(), quota::name(rule.reset)),
                           gateway_,
                           std::to_string(++sequence_),
                           std::string(quota::name(rule.reset)),
                           std::to_string(rule.span.count()),
                           fmt::format("{}", *bucket.limit()),
                           ms(period.begin),
                           ms(period.end)};
    for (const double value :
         {whole(rule.metric) ? 1.0 : 0.0, entry.known ? 1.0 : 0.0, entry.spent, entry.held, left,
          floor, target, entry.want.largest, entry.want.least, leaving_ ? 1.0 : 0.0})
        command.push_back(fmt::format("{}", value));
    return {bucket.key(), std::move(command)};
}

/// The clock difference is learned here, too: windows begin and end by Redis' clock.
base::Result<std::map<std::string, SharedLedger::Grant>> SharedLedger::send(
    const std::vector<Ask>& asks) {
    std::vector<Redis::Command> commands;
    for (const Ask& ask : asks) commands.push_back(ask.command);
    auto replies = redis_->pipeline(commands);
    if (!replies) return std::unexpected(replies.error());
    spoke_ = base::Clock::now();
    std::map<std::string, Grant> grants;
    for (std::size_t i = 0; i < asks.size(); ++i) {
        const RedisReply& reply = (*replies)[i];
        if (reply.error) return base::fail(base::ErrorKind::io, reply.text);
        if (reply.parts.size() != 4)
            return base::fail(base::ErrorKind::protocol, "an answer of another shape");
        const auto now = number<std::int64_t>(reply.parts[0]);
        const auto amount = number<double>(reply.parts[1]);
        const auto valid = number<std::int64_t>(reply.parts[2]);
        if (!now || !amount || !valid)
            return base::fail(base::ErrorKind::protocol, "an answer that is no number");
        ahead_ = base::Duration(*now) - std::chrono::duration_cast<base::Duration>(
                                            base::WallClock::now().time_since_epoch());
        grants[asks[i].key] = {*amount, base::Duration(*valid), reply.parts[3] == "1"};
    }
    return grants;
}

void SharedLedger::apply(const std::map<std::string, Grant>& grants, base::Time began) {
    each_([&](quota::Bucket& bucket) {
        const auto found = grants.find(bucket.key());
        if (found == grants.end() || found->second.valid < 0ms) return;
        const Grant& grant = found->second;
        Entry& entry = entries_[bucket.key()];
        entry.known = true;
        entry.give = grant.give;
        entry.until = began + grant.valid;
        entry.due = began + std::clamp(grant.valid / 2, kRound, kIdle);
        if (grant.amount > 0) entry.want = {};
        const double left = bucket.withdraw();
        if (left + grant.amount > 0) bucket.grant(left + grant.amount, entry.until);
    });
}

}  // namespace store
