#pragma once

#include "config/load.h"
#include "device/model_file.h"

#include <set>
#include <string>
#include <vector>

namespace device {

/// What the engines of a catalog name by URL. Whoever looks for such a file, and whoever fetches
/// it, asks here, so that both mean the same one.
class EngineFiles {
public:
    /// LLAMACPP_MODEL_SHA256 states the checksum of what LLAMACPP_MODEL names.
    EngineFiles(const config::Catalog& catalog, const config::Environment& environment);

    /// The engine's command, with all checksums in it.
    std::vector<std::string> command(const config::Engine& engine) const;
    /// The URLs of command() whose files can't have their plain name.
    std::vector<std::string> sharing(const config::Engine& engine) const;

private:
    std::string stated(const std::string& word) const;

    std::string named_;
    std::string named_sha256_;
    std::set<std::string> shared_;  ///< folder/name
};

}  // namespace device
