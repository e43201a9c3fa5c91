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
    std::string folder{};  ///< it runs in; empty: ours
    int input = -1;        ///< its standard input; -1: /dev/null
    bool parted = false;   ///< its standard error has a pipe of its own
};

/// A child that was started: leader of a process group of its own, killed with the thread that
/// started it. Whoever holds it reaps it.
struct Child {
    int pid = 0;
    Handle exit{};    ///< pidfd: readable once the child has ended
    Handle output{};  ///< standard output, and standard error unless parted
    Handle errors{};
};

/// io: it can't be run.
base::Result<Child> launch(const Launch& what);

/// Waits for the end of a child that has been killed or has exited.
void reap(pid_t pid);
/// "exited with status 1", "was ended by signal 9 (Killed)". The child stays to be reaped.
std::string how_it_ended(pid_t pid);

}  // namespace device
