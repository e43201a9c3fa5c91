#pragma once

#include "base/pulls.h"
#include "device/pull_plan.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace device {

/// Fetches the files that engines name by URL, one after the other, on a thread of its own: a
/// fetch blocks. Public calls come from any thread.
class FilePuller {
public:
    /// `changed` is called from both sides when list() has changed.
    explicit FilePuller(std::function<void()> changed);
    /// Breaks off a fetch; what has come is kept for the next.
    ~FilePuller() = default;

    void configure(std::vector<PullPlan::File> files);
    std::vector<base::Pull> list() const;

private:
    struct Entry {
        PullPlan::File file;
        base::Pull pull;
        bool checked = false;  ///< its checksum was found right
        bool missing = false;
    };
    void run(const std::stop_token& stop);
    static bool is_missing(const Entry& entry);
    /// Looks which files are there; one that is to be fetched now.
    std::optional<PullPlan::File> next_due();
    void fetch_one(const PullPlan::File& file, const std::stop_token& stop);
    Entry* find(const ModelFile& what);

    std::function<void()> changed_;
    mutable std::mutex mutex_;
    std::condition_variable_any wake_;
    std::vector<Entry> entries_;
    bool configured_ = false;  ///< since the last look
    std::jthread thread_;      ///< last: it uses the others
};

}  // namespace device
