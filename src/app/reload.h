#pragma once

#include "config/load.h"

#include <set>
#include <string>
#include <vector>

namespace app {

/// Decides whether a changed configuration replaces the one that serves. Used on the
/// main thread only.
class Reloader {
public:
    Reloader(std::string config, std::string env) : config_(std::move(config)), env_(std::move(env)) {}

    /// First load, at start. Prints every diagnostic; null if nothing can be served.
    config::Snapshot start();

    /// Loads again. A configuration that can't be read, or that has an error which the
    /// serving one has not, is refused with its diagnostics: null.
    config::Snapshot again();

    /// True once after a watched file was changed, added or removed.
    bool changed();

    const config::Environment& environment() const { return environment_; }

private:
    void watch(const config::Catalog* catalog);
    std::string fingerprint() const;

    std::string config_;
    std::string env_;
    config::Environment environment_;
    std::set<std::string> errors_;      ///< texts of the serving configuration's errors
    std::vector<std::string> files_;
    std::string seen_;
};

}  // namespace app
