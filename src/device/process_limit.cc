#include "device/process_limit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

namespace device {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = "/sys/fs/cgroup";
constexpr std::string_view kPrefix = "freeway-agent-";

/// In one go, as the kernel wants it. False: it refused.
bool write_to(const fs::path& file, std::string_view text) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) == std::ssize(text);
    ::close(fd);
    return written;
}

bool has_word(const fs::path& file, std::string_view word) {
    std::ifstream words(file);
    for (std::string one; words >> one;)
        if (one == word) return true;
    return false;
}

/// The path in /proc/self/cgroup (`8:pids:/a/b`, `0::/a/b`) behind `mark`, below `root`.
fs::path own_group(const fs::path& root, std::string_view mark) {
    std::ifstream lines("/proc/self/cgroup");
    for (std::string line; std::getline(lines, line);) {
        const std::size_t at = line.find(mark);
        if (at == std::string::npos) continue;
        const fs::path group = root / fs::path(line.substr(at + mark.size())).relative_path();
        std::error_code ignored;
        return fs::is_directory(group, ignored) ? group : root;  // a container sees its own as root
    }
    return {};
}

/// systemd leaves the group to its service.
bool delegated(const fs::path& group) {
    for (const char* mark : {"user.delegate", "trusted.delegate"}) {
        char value = 0;
        if (::getxattr(group.c_str(), mark, &value, 1) == 1 && value == '1') return true;
    }
    return false;
}

/// Groups in which one of ours may be made, the best first.
std::vector<fs::path> places() {
    const fs::path root = kRoot;
    if (!fs::exists(root / "cgroup.controllers")) {
        const fs::path own = own_group(root / "pids", ":pids:");
        return own.empty() ? std::vector<fs::path>() : std::vector{own};
    }
    const fs::path own = own_group(root, "0::");
    if (own.empty()) return {};
    std::vector<fs::path> found{own};
    // The kernel wants a group with processes to have no limited groups below it, so ours may have
    // to stand beside our own.
    if (own != root && delegated(own.parent_path())) found.push_back(own.parent_path());
    std::erase_if(found, [](const fs::path& group) {
        const fs::path below = group / "cgroup.subtree_control";
        return !has_word(below, "pids") && !write_to(below, "+pids");
    });
    return found;
}

}  // namespace

std::unique_ptr<ProcessLimit> ProcessLimit::make(int most_tasks) {
    const std::string name = std::string(kPrefix) + std::to_string(::getpid());
    for (const fs::path& place : places()) {
        const std::string folder = place / name;
        ::rmdir(folder.c_str());  // of a process that had our number
        if (::mkdir(folder.c_str(), 0755) != 0) continue;
        std::unique_ptr<ProcessLimit> limit(new ProcessLimit(folder));
        if (write_to(fs::path(folder) / "pids.max", std::to_string(most_tasks))) return limit;
    }
    return nullptr;
}

ProcessLimit::~ProcessLimit() { ::rmdir(folder_.c_str()); }

bool ProcessLimit::enter() const { return write_to(fs::path(folder_) / "cgroup.procs", "0"); }

void ProcessLimit::sweep() {
    std::error_code ignored;
    for (const fs::path& place : places())
        for (const auto& entry : fs::directory_iterator(place, ignored))
            if (entry.path().filename().string().starts_with(kPrefix))
                ::rmdir(entry.path().c_str());  // refused where somebody is in it
}

}  // namespace device
