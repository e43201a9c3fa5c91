#include "device/supervisor_fixture.h"

namespace device {
namespace {

TEST_F(SupervisorTest, ExclusiveEnginesTakeTurnsAndOneRuns) {
    EngineSpec one = spec();
    EngineSpec two = spec();
    two.name = "two";
    one.exclusive = two.exclusive = "sdcpp";
    supervisor_.configure({one, two});
    auto first = acquire();
    ASSERT_TRUE(first);
    Call second;
    begin(second, 30s, "two");
    Call impatient;
    net::asio::post(worker_.loop, [&] {
        const auto executor = worker_.loop.get_executor();
        worker_.tasks.spawn(run_impatient(supervisor_, executor, impatient), [] {});
    });
    finish(impatient);
    EXPECT_EQ(impatient.lease.error().kind, base::ErrorKind::busy);
    EXPECT_FALSE(second.done);
    ASSERT_EQ(pids().size(), 1u);
    const int pid = pids().front();

    *first = Lease();
    finish(second);
    ASSERT_TRUE(second.lease) << second.lease.error().detail;
    EXPECT_TRUE(dead(pid));
    EXPECT_EQ(pids().size(), 2u);
}

TEST_F(SupervisorTest, WhoLeavesAsItsTurnComesLeavesNothingBehind) {
    EngineSpec one = spec();
    one.exclusive = "sdcpp";
    supervisor_.configure({one});
    for (int round = 0; round < 20; ++round) {
        auto first = acquire();
        ASSERT_TRUE(first) << first.error().detail;
        Call second;
        begin(second);
        net::asio::post(worker_.loop, [&] {
            *first = Lease();
            second.abort.abort();
        });
        finish(second);
    }
    ASSERT_TRUE(eventually([&] { return status().leases == 0; }));
    EXPECT_TRUE(end(End::unload));
}

TEST_F(SupervisorTest, ShutdownAnswersThoseInLine) {
    EngineSpec one = spec();
    one.exclusive = "sdcpp";
    supervisor_.configure({one});
    auto first = acquire();
    ASSERT_TRUE(first);
    Call second;
    begin(second);
    ASSERT_EQ(acquire(100ms).error().kind, base::ErrorKind::timed_out);
    supervisor_.shutdown();
    finish(second);
    EXPECT_EQ(second.lease.error().kind, base::ErrorKind::gone);
}

}  // namespace
}  // namespace device
