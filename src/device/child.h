#pragma once

#include "base/result.h"

#include <signal.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace device {

/// A descriptor that closes itself.
class Handle {
public:
    explicit Handle(int fd = -1) : fd_(fd) {}
    ~Handle();
    Handle(Handle&& other) noexcept : fd_(other.release()) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void close() { Handle{release()}; }

private:
    int fd_;
};

/// What is run, and with what.
struct Launch {
    const std::vector<std::string>& command;  ///< [0] is a path
    /// NAME=VALUE; absent: child_environment().
    std::optional<std::vector<std::string>> environment{};
    std::string folder{};    ///< it runs in; empty: ours
    int input = -1;          ///< its standard input; -1: /dev/null
    bool parted = false;     ///< its standard error has a pipe of its own
    int most_processes = 0;  ///< that it may have at once; 0: any number
};

/// A child that was started, held by a guard (child_guard.h) that ends as the child does. The guard
/// is told to end with the thread that started it. Whoever holds this reaps the guard.
struct Child {
    int guard = 0;
    int pid = 0;      ///< leader of a process group of its own
    Handle exit{};    ///< pidfd: readable once the guard has ended, and all that it guarded
    Handle output{};  ///< standard output, and standard error unless parted
    Handle errors{};
};

/// io: it can't be run. The program is run again for the guard: its main() calls run_guard().
base::Result<Child> launch(const Launch& what);

/// Waits for the end of a guard that was told to end or has exited.
void reap(pid_t pid);
/// "exited with status 1", "was ended by signal 9 (Killed)". It stays to be reaped.
std::string how_it_ended(pid_t pid);

}  // namespace device
