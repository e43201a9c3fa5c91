#pragma once

#include <memory>
#include <string>
#include <utility>

namespace device {

/// A control group of the kernel's in which no more than a number of tasks can be: threads count as
/// processes do, and whoever wants one more is refused it. Made beside or below our own group, so
/// it needs a `pids` controller (cgroup v2 or v1) that we may write to.
class ProcessLimit {
public:
    /// nullptr: there is none here that we may use.
    static std::unique_ptr<ProcessLimit> make(int most_tasks);
    /// Removes the group, if nobody is in it any more.
    ~ProcessLimit();
    ProcessLimit(const ProcessLimit&) = delete;
    ProcessLimit& operator=(const ProcessLimit&) = delete;

    /// Puts the calling process into the group: all that it starts from here on is in it too.
    bool enter() const;
    const std::string& folder() const { return folder_; }

    /// Removes the groups that others have left behind, such as one whose process was killed.
    static void sweep();

private:
    explicit ProcessLimit(std::string folder) : folder_(std::move(folder)) {}
    std::string folder_;
};

}  // namespace device
