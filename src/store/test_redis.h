#pragma once

#include "base/clock.h"
#include "store/redis.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace store {

inline int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(socket);
    return ntohs(address.sin_port);
}

inline bool eventually(base::Duration within, const std::function<bool()>& holds) {
    const base::Time by = base::Clock::now() + within;
    while (!holds()) {
        if (base::Clock::now() > by) return false;
        std::this_thread::sleep_for(base::Duration(2));
    }
    return true;
}

/// A real Redis on loopback that keeps nothing on disk.
class TestRedis {
public:
    /// Of Debian's redis-tools: one binary that is the server when it is called so.
    static constexpr const char* kServer = "/usr/bin/redis-check-rdb";
    static bool installed() { return std::filesystem::exists(kServer); }

    explicit TestRedis(std::string password = {})
        : port_(std::to_string(free_port())), password_(std::move(password)) {
        start();
    }
    ~TestRedis() { kill(); }
    TestRedis(const TestRedis&) = delete;
    TestRedis& operator=(const TestRedis&) = delete;

    std::string url() const {
        const std::string login = password_.empty() ? "" : ":" + password_ + "@";
        return "redis://" + login + "127.0.0.1:" + port_ + "/1";
    }
    void start() {
        std::vector<std::string> words{
            "redis-server", "--port", port_,          "--bind", "127.0.0.1",
            "--save",       "",       "--appendonly", "no"};
        if (!password_.empty()) words.insert(words.end(), {"--requirepass", password_});
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            const int nowhere = ::open("/dev/null", O_RDWR);
            ::dup2(nowhere, STDOUT_FILENO);
            ::execv(kServer, arguments.data());
            ::_exit(127);
        }
        const auto address = redis_address(url());
        EXPECT_TRUE(eventually(base::Duration(10'000), [&] {
            return Redis::connect(*address, base::Duration(500)).has_value();
        }));
    }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, 0), nullptr, 0);
    }
    pid_t pid() const { return pid_; }

private:
    std::string port_;
    std::string password_;
    pid_t pid_ = 0;
};

}  // namespace store
