#pragma once

#include "config/catalog.h"
#include "config/document.h"
#include "config/findings.h"

#include <map>
#include <string>

namespace config {

/// Keeps engines that name the same file by URL from stating different checksums of it: one of
/// them could never start.
class ModelUrlChecks {
public:
    explicit ModelUrlChecks(Findings& findings) : findings_(findings) {}

    /// To be asked for every target that was read.
    void look(const Entry& entry, const Target& target);

private:
    struct First {
        std::string sha256;
        std::string alias;
    };
    Findings& findings_;
    std::map<std::string, First> first_;  ///< by URL
};

}  // namespace config
