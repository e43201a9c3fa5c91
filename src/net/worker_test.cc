#include "net/worker.h"

#include <gtest/gtest.h>

#include <memory>

using namespace net;
using namespace std::chrono_literals;

namespace {

/// A task that ends when it is cancelled.
struct Patient {
    explicit Patient(Worker& to) : worker(to), timer(to.loop.get_executor(), base::Time::max()) {}
    void spawn() {
        worker.tasks.spawn(wait(*this), [this] {
            cancelled = true;
            timer.cancel();
        });
    }
    static Task<> wait(Patient& it) {
        while (!it.cancelled) co_await it.timer.async_wait(kAwait);
        if (it.heir) it.heir->spawn();
    }
    Worker& worker;
    Timer timer;
    bool cancelled = false;
    Patient* heir = nullptr;  ///< begins when this one has ended
};

}  // namespace

TEST(TaskGroup, WhatACancelledTaskBeginsIsCancelledToo) {
    Worker worker;
    Patient first(worker);
    Patient second(worker);
    first.heir = &second;
    first.spawn();
    asio::post(worker.loop, [&] { worker.tasks.cancel_all(); });
    worker.loop.run_for(20s);
    EXPECT_TRUE(second.cancelled);
    EXPECT_EQ(worker.tasks.size(), 0u);
}
