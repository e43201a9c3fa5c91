#pragma once

#include "config/catalog.h"
#include "config/document.h"
#include "config/findings.h"

#include <map>
#include <set>
#include <string>

namespace config {

/// What keeps models and the devices that they name from each other: names that nobody knows,
/// models larger than their device, devices without models. `devices` is what general_settings
/// (devices.yaml) says of them, and outlives this.
class DeviceChecks {
public:
    using Devices = std::map<std::string, DeviceSettings, std::less<>>;
    DeviceChecks(const Devices& devices, Findings& findings)
        : devices_(devices), findings_(findings) {}

    /// To be asked for every target that was read.
    void look(const Entry& entry, const Target& target);
    /// Devices of `root` that no target named, where all targets there are were read. Says nothing
    /// where a name was amiss already: that one may have been meant.
    void report_unused(const Value& root) const;

private:
    void look_at_name(const Value& at, const Target& target);
    void look_at_size(const Value& at, const Target& target);

    const Devices& devices_;
    Findings& findings_;
    std::set<std::string, std::less<>> used_;
    bool amiss_ = false;  ///< a target named a device that nobody knows
};

}  // namespace config
