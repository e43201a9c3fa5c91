#pragma once

#include "config/load.h"
#include "gateway/gateway.h"

#include <memory>
#include <string>

namespace app {

/// Ties the gateway's memory to the store: what an earlier run left is put back, what changes is
/// handed to the writer. Outlives all lanes.
class Persistence {
public:
    explicit Persistence(gateway::Gateway& gateway) : gateway_(gateway) {}

    /// Opens the store of `folder` and puts back what it holds; before the first catalog is
    /// opened in the ledger. Error: the gateway must not start. A folder that can't be written is
    /// none: it is said in the log and in /health/readiness, and nothing outlives the process.
    base::Result<void> open(const std::string& folder);
    /// Pictures are kept in `folder`/files as long as `settings` say. A folder that can't be
    /// written is said in the log: then none are kept.
    void keep_files(const std::string& folder, const config::Settings& settings);
    /// Removes what is due.
    void sweep();
    /// Shares the ledger over REDIS_URL, where the environment names one. After open().
    base::Result<void> share(const config::Environment& environment);
    void start(const config::Settings& settings);
    /// After a reload: its new limits are shared too, and its bounds hold.
    void adopt(const config::Settings& settings);
    /// A last write; waits for the disk no longer than a moment.
    void stop();

private:
    void bound_answers(const config::Settings& settings);
    store::Store::Sources sources(bool with_answers);

    gateway::Gateway& gateway_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<store::Files> files_;
    std::unique_ptr<store::SharedLedger> shared_;
};

}  // namespace app
