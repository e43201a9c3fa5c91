#pragma once

#include <string>

/// The commands beside `serve`. Each prints for people, or JSON with `json`, and
/// returns the exit code: 0 ok, 1 a problem was found, 2 wrong use.
namespace app {

struct CommonOptions {
    std::string config = "./config";
    std::string env = "./.env";
    std::string data = "./.data";
    bool json = false;
};

/// Every finding about the configuration, one a line.
int check(const CommonOptions& options);
/// Assembles the enabled part of a folder into one file.
int build(const CommonOptions& options, const std::string& out);
/// Aliases with provider, tier, mode, chain; with the state where a gateway answers at `url`.
int models(const CommonOptions& options, const std::string& url);
/// Why a request went where it went (from the gateway at `url`), or where a request for
/// an alias would go (from the gateway if it answers, else from the configuration).
int explain(const CommonOptions& options, const std::string& what, const std::string& url);
/// Fetches models: those of Ollama services and those that engines name by URL, of all enabled
/// aliases or of one; or the file of one URL.
int pull(const CommonOptions& options, const std::string& what, const std::string& sha256);

}  // namespace app
