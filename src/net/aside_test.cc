#include "net/aside.h"

#include <gtest/gtest.h>
#include <boost/asio/detached.hpp>

#include <chrono>
#include <future>
#include <thread>

using namespace net;
using namespace std::chrono_literals;

namespace {

Task<> wait_aside(asio::io_context& loop, std::future<int>& blocked, int& result,
                  std::thread::id& came_back) {
    result = co_await aside(loop.get_executor(), Beside::disk, [&] {
        return blocked.wait_for(10s) == std::future_status::ready ? blocked.get() : -1;
    });
    came_back = std::this_thread::get_id();
}

Task<> block(asio::io_context& loop, std::shared_future<void> release) {
    co_await aside(loop.get_executor(), Beside::disk, [&] {
        release.wait_for(10s);
        return 0;
    });
}

Task<> decode(asio::io_context& loop, std::promise<void>& release, bool& released) {
    released = co_await aside(loop.get_executor(), Beside::cpu, [&] {
        release.set_value();
        return true;
    });
}

}  // namespace

TEST(Aside, ADiskThatHangsKeepsNobodyFromDecoding) {
    asio::io_context loop{1};
    std::promise<void> release;
    const std::shared_future<void> released_by_cpu = release.get_future().share();
    bool released = false;
    for (int i = 0; i < 8; ++i) asio::co_spawn(loop, block(loop, released_by_cpu), asio::detached);
    asio::co_spawn(loop, decode(loop, release, released), asio::detached);
    const auto begin = std::chrono::steady_clock::now();
    loop.run_for(60s);
    EXPECT_TRUE(released);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s) << "it waited for the disk";
}

TEST(Aside, D4TheLoopGoesOnWhileWorkBlocks) {
    asio::io_context loop{1};
    std::promise<int> disk;
    std::future<int> blocked = disk.get_future();
    int result = 0;
    std::thread::id came_back;
    asio::co_spawn(loop, wait_aside(loop, blocked, result, came_back), asio::detached);
    asio::post(loop, [&] { disk.set_value(7); });  // runs only if the loop is not blocked
    loop.run_for(20s);
    EXPECT_EQ(result, 7);
    EXPECT_EQ(came_back, std::this_thread::get_id());
}
