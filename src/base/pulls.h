#pragma once

#include "base/clock.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace base {

/// `5.2 GB`, `120.0 MB`, `12 kB`: for people.
std::string human_bytes(std::uint64_t bytes);

/// One model on its way to where it is served from, as it was at `at`.
struct Pull {
    enum class State {
        waiting,  ///< it is missing, and others come first
        pulling,
        failed,  ///< given up until `retry_at`
        done,    ///< it has come since freeway started
    };
    std::string model;                 ///< the service's own word for it, or the name of a file
    std::string service;               ///< address of the service, or the folder of the file
    std::vector<std::string> targets;  ///< who serves it
    State state = State::waiting;
    std::uint64_t done = 0;                ///< bytes
    std::optional<std::uint64_t> total{};  ///< bytes; absent: nobody has said it yet
    double rate = 0;                       ///< bytes a second, of late; 0: unknown
    std::string error{};                   ///< why the last try failed
    Time at{};
    Time retry_at{};  ///< with failed: the next try

    /// Until it is there, or until it is tried again. nullopt: nobody can tell.
    std::optional<Duration> left(Time now) const;
    /// `pulling qwen3:8b: 42 % of 5.2 GB`.
    std::string text(Time now) const;
};
std::string_view name(Pull::State state);

/// All pulls at one moment; immutable.
class Pulls {
public:
    explicit Pulls(std::vector<Pull> list);
    const std::vector<Pull>& list() const { return list_; }
    /// What `target` can't be asked without; nullptr: nothing.
    const Pull* missing(std::string_view target) const;
    bool any_missing() const { return !missing_.empty(); }

private:
    std::vector<Pull> list_;
    std::map<std::string, std::size_t, std::less<>> missing_;
};

/// Where the puller shows what it does, to all threads. Looking takes no lock while nothing is
/// missing.
class PullBoard {
public:
    void show(std::shared_ptr<const Pulls> pulls);
    /// nullptr: no target lacks its model.
    std::shared_ptr<const Pulls> missing() const;
    /// nullptr: nothing has been pulled.
    std::shared_ptr<const Pulls> all() const;

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const Pulls> pulls_;
    std::atomic<bool> any_missing_{false};
};

}  // namespace base
