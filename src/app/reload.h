#pragma once

#include "config/load.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace app {

/// Decides whether a changed configuration replaces the one that serves. Used on the
/// main thread only.
class Reloader {
public:
    Reloader(std::string config, std::string env)
        : config_(std::move(config)), env_(std::move(env)) {}

    /// First load, at start. Prints every diagnostic; null if nothing can be served.
    config::Snapshot start();

    /// Loads again. A configuration that can't be read, or that has an error which the
    /// serving one has not, is refused with its diagnostics: null. So is one without a
    /// master key where more than this machine is listened to.
    config::Snapshot again(bool loopback_only);

    /// True after a watched file was changed, added or removed and then stayed the same
    /// for two looks: nobody is in the middle of writing it.
    bool changed();

    const config::Environment& environment() const { return environment_; }

private:
    /// Why `loaded` must not replace what serves; empty: it may.
    std::string_view refusal(const config::Loaded& loaded, const std::set<std::string>& errors,
                             bool loopback_only) const;
    void watch(const config::Catalog* catalog);
    std::string fingerprint() const;

    std::string config_;
    std::string env_;
    config::Environment environment_;
    std::set<std::string> errors_;  ///< texts of the serving configuration's errors
    std::vector<std::string> files_;
    std::string seen_;  ///< the files as they were loaded
    std::string last_look_;
    int equal_looks_ = 0;
    bool served_any_ = false;
};

}  // namespace app
