#pragma once

#include "config/catalog.h"
#include "config/findings.h"
#include "config/value.h"

namespace config {

/// `devices` of general_settings (the folder's devices.yaml): device -> how it is shared.
std::map<std::string, DeviceSettings, std::less<>> read_device_settings(const Value& general,
                                                                        Findings& findings);

}  // namespace config
