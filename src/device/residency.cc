#include "device/residency.h"

#include <algorithm>
#include <ranges>
#include <tuple>

namespace device {

using base::Duration;
using base::Time;

namespace {

/// More than any device has, and sums of thousands of it fit: what a model takes where the
/// device's memory is unknown.
constexpr std::int64_t kUnlimited = std::int64_t{1} << 50;
constexpr Duration kFirstRest{5'000};
constexpr Duration kLongestRest{300'000};
/// Figures are kept of so many models that are not loaded.
constexpr std::size_t kMostRemembered = 256;

/// A usual disk: what loading takes until it was measured.
constexpr double kLoadBytesPerMs = 1e6;
constexpr Duration kLoadStart{1'000};
constexpr Duration kLoadOfUnknown{15'000};

std::int64_t bounded(std::uint64_t bytes) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, kUnlimited));
}

Duration rest(int failures) {
    return std::min(kLongestRest, kFirstRest * (1 << std::min(failures - 1, 10)));
}

/// The last few weigh most.
void blend(std::optional<Duration>& mean, Duration sample) {
    mean = mean ? *mean + (sample - *mean) * 3 / 10 : sample;
}

}  // namespace

struct Residency::Candidate {
    ModelKey key;
    std::int64_t bytes;
    int reluctance;  ///< 0: idle; above: has to be waited for
    double value;    ///< what loading it again costs, per time that nobody wanted it
};

bool Residency::claim(const ModelKey& key, std::uint64_t declared, Time now) {
    Model& model = models_[key];
    if (model.presence == Presence::absent) {
        model.presence = Presence::expected;
        model.declared = declared;
        model.seen = 0;
    }
    ++model.leases;
    model.idle_since = now;
    const bool cold = model.presence == Presence::expected;
    if (cold) model.settling = true;
    forget_some();
    return cold;
}

void Residency::loaded(const ModelKey& key, std::optional<Duration> took) {
    Model& model = models_.at(key);
    model.presence = Presence::seen;
    model.loading = false;
    model.settling = false;
    if (took) blend(model.load_time, *took);
}

void Residency::release(const ModelKey& key, bool failed, Time now) {
    Model& model = models_.at(key);
    --model.leases;
    model.idle_since = now;
    // What was listed meanwhile was the load that has now failed.
    if (failed && model.settling) model.presence = Presence::expected;
    if (model.leases > 0) return;
    model.busy = false;  // that was our own work, or the next list says so again
    const bool void_claim = failed && model.presence == Presence::expected;
    if (void_claim || !engines_[key.engine].asked) model.presence = Presence::absent;
}

void Residency::lease_took(const ModelKey& key, Duration time) {
    blend(models_.at(key).lease_time, time);
}

void Residency::observed(const std::string& engine, const std::vector<Resident>& residents,
                         Time now) {
    Engine& place = engines_[engine];
    place.asked = true;
    place.unreachable = false;
    const auto listed = [&](const std::string& model) {
        return std::ranges::find(residents, model, &Resident::model) != residents.end();
    };
    for (auto& [key, model] : models_) {
        if (key.engine != engine || listed(key.model)) continue;
        // A lease keeps its claim: it may be loading, or the engine swaps in between.
        if (model.presence == Presence::seen) model.presence = Presence::expected;
        if (model.leases == 0) model.presence = Presence::absent;
        model.busy = model.loading = model.leaving = false;
    }
    for (const Resident& resident : residents) {
        Model& model = models_[{engine, resident.model}];
        if (model.presence == Presence::absent) model.settling = false;
        if (model.presence == Presence::absent || resident.busy) model.idle_since = now;
        model.presence = Presence::seen;
        model.busy = resident.busy;
        model.loading = resident.loading;
        model.leaving = resident.leaving;
        model.seen = resident.bytes;
        const bool idle = !model.busy && model.leases == 0;
        if (idle) model.settling = false;
        // At work it may be loading, even if it was loaded before: its engine may have dropped it
        // unseen. What is seen then is less than all.
        const bool certain = idle || resident.bytes > model.measured;
        if (!model.settling && certain && resident.bytes > 0) model.measured = resident.bytes;
    }
    if (place.failures > 0 && !listed(place.culprit)) {
        place.failures = 0;
        place.resting = false;
    }
    forget_some();
}

void Residency::unreachable(const std::string& engine) {
    engines_[engine].asked = true;
    engines_[engine].unreachable = true;
}

void Residency::evicted(const ModelKey& key) {
    Model& model = models_[key];
    model.evicting = false;
    model.busy = model.loading = model.leaving = false;
    model.seen = 0;
    model.presence = model.leases > 0 ? Presence::expected : Presence::absent;
    engines_[key.engine].failures = 0;
    engines_[key.engine].resting = false;
}

void Residency::eviction_failed(const ModelKey& key, std::string reason, Time now) {
    Model& model = models_[key];
    model.evicting = false;
    if (model.presence == Presence::absent) model.presence = Presence::expected;
    Engine& engine = engines_[key.engine];
    ++engine.failures;
    engine.resting = true;
    engine.rested_at = now + rest(engine.failures);
    engine.culprit = key.model;
    engine.reason = std::move(reason);
}

void Residency::wake(Time now) {
    for (Engine& engine : engines_ | std::views::values)
        if (now >= engine.rested_at) engine.resting = false;
}

Time Residency::due() const {
    Time due = Time::max();
    for (const Engine& engine : engines_ | std::views::values)
        if (engine.resting) due = std::min(due, engine.rested_at);
    return due;
}

const Residency::Model* Residency::find(const ModelKey& key) const {
    const auto found = models_.find(key);
    return found == models_.end() ? nullptr : &found->second;
}

std::map<std::string, std::string> Residency::troubled() const {
    std::map<std::string, std::string> reasons;
    for (const auto& [name, engine] : engines_)
        if (engine.failures > 0) reasons[name] = engine.reason;
    return reasons;
}

std::int64_t Residency::capacity() const {
    return budget_ ? bounded(*budget_) - bounded(others_) : kUnlimited;
}

std::int64_t Residency::whole() const { return std::max<std::int64_t>(1, capacity()); }

std::int64_t Residency::footprint(const ModelKey& key, std::uint64_t declared) const {
    const Model* model = find(key);
    const std::uint64_t known = model && model->measured > 0 ? model->measured : declared;
    return !budget_ || known == 0 ? whole() : bounded(known);
}

std::uint64_t Residency::known_bytes(const Model& model) const {
    return std::max(model.measured > 0 ? model.measured : model.declared, model.seen);
}

std::int64_t Residency::bytes(const Model& model) const {
    // What is seen of a model of unknown size while it loads is not yet all.
    const bool unknown = model.measured == 0 && model.declared == 0;
    if (!budget_ || unknown) return std::max(whole(), bounded(model.seen));
    return bounded(known_bytes(model));
}

bool Residency::never_fits(const ModelKey& key, std::uint64_t declared) const {
    const Model* model = find(key);
    const std::uint64_t known = model && model->measured > 0 ? model->measured : declared;
    return budget_ && known > *budget_;
}

std::int64_t Residency::free() const {
    std::int64_t left = capacity();
    for (const Model& model : models_ | std::views::values)
        if (model.counted()) left -= bytes(model);
    return left;
}

Duration Residency::load_time(const ModelKey& key, std::uint64_t declared) const {
    const Model* model = find(key);
    if (model && model->load_time) return *model->load_time;
    const std::uint64_t known = std::max(declared, model ? known_bytes(*model) : 0);
    if (known == 0) return kLoadOfUnknown;
    const double transfer = static_cast<double>(bounded(known)) / kLoadBytesPerMs;
    return kLoadStart + Duration(static_cast<Duration::rep>(transfer));
}

bool Residency::may_evict_from(const std::string& engine) const {
    const auto found = engines_.find(engine);
    return found == engines_.end() || (!found->second.unreachable && !found->second.resting);
}

std::vector<Residency::Candidate> Residency::candidates(const std::set<ModelKey>& leaving,
                                                        std::optional<std::uint64_t> drain_for,
                                                        Time now) const {
    std::vector<Candidate> found;
    for (const auto& [key, model] : models_) {
        if (!model.usable() || leaving.contains(key) || !may_evict_from(key.engine)) continue;
        const bool idle = model.presence == Presence::seen && model.leases == 0 && !model.busy;
        if (!idle && !drain_for) continue;
        // Once chosen to drain it stays chosen: two busy models taking turns would never be idle.
        const int reluctance = idle                            ? 0
                               : model.drains_for == drain_for ? 1
                               : model.leases > 0              ? 2
                                                               : 3;
        const double cost = static_cast<double>(load_time(key, 0).count());
        const std::chrono::duration<double> unwanted = now - model.idle_since;
        found.push_back({key, bytes(model), reluctance, cost / (1 + unwanted.count())});
    }
    std::ranges::sort(found, {}, [](const Candidate& candidate) {
        return std::tuple(candidate.reluctance, candidate.value);
    });
    return found;
}

std::optional<std::vector<ModelKey>> Residency::victims(const Lack& lack,
                                                        const std::set<ModelKey>& leaving,
                                                        std::optional<std::uint64_t> drain_for,
                                                        Time now) const {
    if (lack.bytes <= 0 && lack.places <= 0) return std::vector<ModelKey>();
    std::int64_t bytes = lack.bytes;
    int places = lack.places;
    const auto place_of = [&](const Candidate& it) { return it.key.engine == lack.key.engine; };
    std::vector<Candidate> chosen;
    for (Candidate& candidate : candidates(leaving, drain_for, now)) {
        if (bytes <= 0 && !(places > 0 && place_of(candidate))) continue;
        bytes -= candidate.bytes;
        places -= place_of(candidate);
        chosen.push_back(std::move(candidate));
    }
    if (bytes > 0 || places > 0) return std::nullopt;

    std::vector<ModelKey> needed;
    for (Candidate& candidate : chosen | std::views::reverse) {
        const bool dispensable = bytes + candidate.bytes <= 0 && places + place_of(candidate) <= 0;
        if (dispensable) {
            bytes += candidate.bytes;
            places += place_of(candidate);
        } else {
            needed.push_back(std::move(candidate.key));
        }
    }
    return needed;
}

/// Figures of a model that went long ago are dropped, so that no list of names grows for ever.
void Residency::forget_some() {
    const auto absent = [](const auto& entry) {
        return !entry.second.counted() && entry.second.leases == 0;
    };
    while (models_.size() > kMostRemembered) {
        auto absents = models_ | std::views::filter(absent);
        const auto oldest = std::ranges::min_element(
            absents, {}, [](const auto& entry) { return entry.second.idle_since; });
        if (oldest == absents.end()) return;
        models_.erase(oldest->first);
    }
}

}  // namespace device
