#pragma once

#include "config/catalog.h"
#include "device/scheduler.h"
#include "net/upstream.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace device {

/// What a call of a target takes: the device, and how much of it.
struct Use {
    std::string device;
    Need need;
    base::Duration wait{0};  ///< how long it waits where the request could be served elsewhere
};

/// A place where models are loaded, and how it is asked.
struct EngineSite {
    enum class Kind {
        own,      ///< a child of ours: the supervisor knows
        ollama,   ///< GET /api/ps
        talkies,  ///< GET /api/ps
        sdcpp,    ///< GET /sdcpp/v1/status
        unknown,  ///< it can't be asked: its models count while we use them
    };
    std::string key;  ///< ModelKey::engine
    Kind kind = Kind::unknown;
    std::optional<net::Origin> origin{};  ///< absent: own
    std::string headers{};                ///< complete lines, key included: never logged
    std::string device;                   ///< where its models are, but for those below
    struct Model {
        std::string device;
        std::uint64_t bytes = 0;  ///< as configured; 0: unknown
    };
    std::map<std::string, Model> models{};  ///< those that the catalog knows
};

/// All that a catalog says of devices.
struct Plan {
    std::map<std::string, config::DeviceSettings, std::less<>> devices;
    std::vector<EngineSite> engines;
};

Plan plan_of(const config::Catalog& catalog);

/// nullopt: the target uses no device of ours.
std::optional<Use> use_of(const config::Catalog& catalog, const config::Target& target);

}  // namespace device
