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
    result = co_await aside(loop.get_executor(), [&] {
        return blocked.wait_for(10s) == std::future_status::ready ? blocked.get() : -1;
    });
    came_back = std::this_thread::get_id();
}

}  // namespace

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
