#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

namespace store {

/// A folder of the test's own, removed at its end.
class TestFolder {
public:
    TestFolder() {
        std::string name = testing::TempDir() + "store-XXXXXX";
        path_ = ::mkdtemp(name.data());
    }
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    ~TestFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// Polls until `condition` holds; false after `within`.
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds within = std::chrono::seconds(10)) {
    const auto until = std::chrono::steady_clock::now() + within;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

/// Runs `body` in a child process and returns the child's id. Its exit code tells of failed
/// expectations.
template <class Body>
pid_t in_child(Body body) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::alarm(60);
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
}

inline int status_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace store
