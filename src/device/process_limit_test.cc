#include "device/process_limit.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

namespace device {
namespace {

namespace fs = std::filesystem;

constexpr int kMost = 5;
constexpr int kTries = 30;

class ProcessLimitTest : public testing::Test {
protected:
    void SetUp() override {
        if (!limit_)
            GTEST_SKIP() << "no control group here in which processes are counted and that may be "
                            "written to";
    }
    std::unique_ptr<ProcessLimit> limit_ = ProcessLimit::make(kMost);
};

/// How many processes one that is in the group can start, of `kTries`.
int bomb(const ProcessLimit& limit) {
    const pid_t bomber = ::fork();
    if (bomber == 0) {
        if (!limit.enter()) ::_exit(100);
        std::vector<pid_t> started;
        for (int i = 0; i < kTries; ++i) {
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::pause();
                ::_exit(0);
            }
            if (pid > 0) started.push_back(pid);
        }
        for (const pid_t pid : started) ::kill(pid, SIGKILL);
        while (::wait(nullptr) > 0) {
        }
        ::_exit(static_cast<int>(started.size()));
    }
    int status = 0;
    ::waitpid(bomber, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(ProcessLimitTest, TheKernelRefusesWhatIsMore) {
    EXPECT_EQ(bomb(*limit_), kMost - 1) << "and itself";
    const std::string folder = limit_->folder();
    EXPECT_TRUE(fs::exists(folder));
    limit_.reset();
    EXPECT_FALSE(fs::exists(folder));
}

TEST_F(ProcessLimitTest, WhatAKilledProcessLeftIsSweptAway) {
    const fs::path place = fs::path(limit_->folder()).parent_path();
    const fs::path left = place / "freeway-agent-0";
    fs::create_directory(left);
    ProcessLimit::sweep();
    EXPECT_FALSE(fs::exists(left));
}

}  // namespace
}  // namespace device
