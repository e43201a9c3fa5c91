#include "base/pulls.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>

namespace base {
namespace {

/// What is left never sounds like now.
constexpr Duration kLeast{1'000};
/// A rate that makes it longer than this says nothing.
constexpr double kMostSeconds = 7 * 24 * 3600;

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
    const auto amount = static_cast<double>(bytes);
    if (bytes >= 1'000'000'000) return fmt::format("{:.1f} GB", amount / 1e9);
    if (bytes >= 1'000'000) return fmt::format("{:.1f} MB", amount / 1e6);
    if (bytes >= 1'000) return fmt::format("{:.0f} kB", amount / 1e3);
    return fmt::format("{} bytes", bytes);
}

std::string_view name(Pull::State state) {
    switch (state) {
        case Pull::State::waiting: return "waiting";
        case Pull::State::pulling: return "pulling";
        case Pull::State::failed: return "failed";
        case Pull::State::done: return "done";
    }
    return "waiting";
}

std::optional<Duration> Pull::left(Time now) const {
    if (state == State::failed)
        return std::max(kLeast, std::chrono::ceil<Duration>(retry_at - now));
    if (state != State::pulling || !total || rate <= 0) return std::nullopt;
    const double seconds = static_cast<double>(*total - std::min(done, *total)) / rate;
    if (seconds > kMostSeconds) return std::nullopt;
    const auto whole = Duration(static_cast<std::int64_t>(seconds * 1000));
    return std::max(kLeast, whole - std::chrono::floor<Duration>(now - at));
}

std::string Pull::text(Time now) const {
    switch (state) {
        case State::failed:
            return fmt::format("{} could not be pulled: {}; next try in {}", model, error,
                               human(*left(now)));
        case State::waiting: return fmt::format("{} waits to be pulled", model);
        case State::done: return fmt::format("{} is there", model);
        case State::pulling: break;
    }
    std::string text = "pulling " + model;
    if (total && *total > 0)
        text +=
            fmt::format(": {} % of {}", std::min(done, *total) * 100 / *total, human_bytes(*total));
    if (!error.empty()) text += fmt::format(" (again, after: {})", error);
    return text;
}

Pulls::Pulls(std::vector<Pull> list) : list_(std::move(list)) {
    for (std::size_t i = 0; i < list_.size(); ++i)
        if (list_[i].state != Pull::State::done)
            for (const std::string& target : list_[i].targets) missing_.emplace(target, i);
}

const Pull* Pulls::missing(std::string_view target) const {
    const auto found = missing_.find(target);
    return found == missing_.end() ? nullptr : &list_[found->second];
}

void PullBoard::show(std::shared_ptr<const Pulls> pulls) {
    const std::lock_guard lock(mutex_);
    any_missing_ = pulls && pulls->any_missing();
    pulls_.swap(pulls);
}

std::shared_ptr<const Pulls> PullBoard::missing() const {
    if (!any_missing_.load(std::memory_order_relaxed)) return nullptr;
    return all();
}

std::shared_ptr<const Pulls> PullBoard::all() const {
    const std::lock_guard lock(mutex_);
    return pulls_;
}

}  // namespace base
