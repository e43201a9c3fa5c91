#include "device/memory.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace device {
namespace {

/// Forks a process that shares all memory of this one, until it is killed.
int sleeper() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::pause();
        ::_exit(0);
    }
    return pid;
}

TEST(ResidentBytes, CountsOnceWhatProcessesShare) {
    constexpr std::size_t kSize = 64u << 20;
    const std::vector<char> large(kSize, 'x');
    const std::array<int, 3> family{::getpid(), sleeper(), sleeper()};
    const std::uint64_t one = resident_bytes(std::span(family).first(1));
    const std::uint64_t all = resident_bytes(family);
    EXPECT_GT(one, kSize);
    EXPECT_GT(all, kSize);
    EXPECT_LT(all, one + kSize) << large.back();
    for (const int pid : std::span(family).subspan(1)) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    EXPECT_EQ(resident_bytes(std::span(family).subspan(1)), 0u);
}

}  // namespace
}  // namespace device
