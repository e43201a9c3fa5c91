#pragma once

#include "config/load.h"
#include "device/model_file.h"
#include "device/ollama_pull.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace device {

/// All that serving a catalog needs on local disks: models of Ollama services, and files that
/// engines name by URL.
struct PullPlan {
    /// What the configuration says of a model; held against what its service says.
    struct Claim {
        std::string target;  ///< its id
        config::Capabilities can;
        std::optional<std::uint64_t> window{};
        bool operator==(const Claim&) const = default;
    };
    struct Model {
        std::string name;                  ///< Ollama's full name, tag included
        std::vector<std::string> targets;  ///< ids of those that serve it
        std::vector<Claim> claims{};       ///< of those that say something of it
        bool operator==(const Model&) const = default;
    };
    struct Service {
        std::string url;  ///< names it; never holds a key
        OllamaService to;
        std::vector<Model> models;
    };
    struct File {
        ModelFile what;
        std::vector<std::string> targets;
        bool operator==(const File&) const = default;
    };
    std::vector<Service> services;
    std::vector<File> files;

    bool empty() const { return services.empty() && files.empty(); }
};

/// What the targets of `catalog` need, of those whose alias is `alias` where one is given.
/// Wildcards name no model, and ollama.com has its own: both are left out.
PullPlan pull_plan(const config::Catalog& catalog, const config::Environment& environment,
                   const std::string& data_dir, std::string_view alias = {});

}  // namespace device
