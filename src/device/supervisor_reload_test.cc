#include "device/supervisor_fixture.h"

namespace device {
namespace {

TEST_F(SupervisorTest, AChangedEngineIsReplacedAfterItsLeases) {
    supervisor_.configure({spec()});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const int old = status().pid;
    supervisor_.configure({spec({"--slow", "0.01"})});
    Call call;
    begin(call);
    *lease = Lease();
    finish(call);
    EXPECT_TRUE(call.lease);
    EXPECT_TRUE(dead(old));
    EXPECT_NE(status().pid, old);
}

TEST_F(SupervisorTest, AnEngineTakenOutIsStopped) {
    supervisor_.configure({spec()});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const int pid = status().pid;
    supervisor_.configure({});
    EXPECT_EQ(acquire().error().kind, base::ErrorKind::not_found);
    EXPECT_FALSE(dead(pid)) << "a lease is held";
    *lease = Lease();
    EXPECT_TRUE(eventually([&] { return supervisor_.status().empty(); }));
    EXPECT_TRUE(dead(pid));
}

TEST_F(SupervisorTest, AnEngineThatBecomesExclusiveWhileItIsUsedIsWaitedFor) {
    EngineSpec one = spec();
    EngineSpec two = spec();
    two.name = "two";
    supervisor_.configure({one, two});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const int pid = pids().front();
    one.exclusive = two.exclusive = "images";
    supervisor_.configure({one, two});
    EXPECT_EQ(acquire(200ms, "two").error().kind, base::ErrorKind::timed_out);
    EXPECT_EQ(pids().size(), 1u);
    Call second;
    begin(second, 30s, "two");
    *lease = Lease();
    finish(second);
    ASSERT_TRUE(second.lease) << second.lease.error().detail;
    EXPECT_TRUE(dead(pid));
    EXPECT_EQ(acquire(200ms).error().kind, base::ErrorKind::timed_out);
    second.lease = Lease();
    EXPECT_TRUE(acquire());
}

TEST_F(SupervisorTest, WhoWaitsForAnEngineThatBecomesExclusiveWaitsForItsTurn) {
    EngineSpec one = spec({"--slow", "0.3"});
    supervisor_.configure({one});
    std::vector<Call> calls(3);
    for (Call& call : calls) begin(call);
    ASSERT_TRUE(eventually([&] { return status().waiting == calls.size(); }));
    one.exclusive = "images";
    supervisor_.configure({one});
    for (std::size_t done = 0; done < calls.size(); ++done) {
        finish(calls[done]);
        ASSERT_TRUE(calls[done].lease) << calls[done].lease.error().detail;
        EXPECT_EQ(status().leases, 1u);
        for (std::size_t later = done + 1; later < calls.size(); ++later)
            EXPECT_FALSE(calls[later].done);
        calls[done].lease = Lease();
    }
}

TEST_F(SupervisorTest, WhoStandsInLineForAnEngineFollowsItOutOfItsGroup) {
    EngineSpec one = spec();
    one.exclusive = "images";
    supervisor_.configure({one});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    std::vector<Call> calls(2);
    for (Call& call : calls) begin(call);
    one.exclusive.clear();
    supervisor_.configure({one});
    ASSERT_TRUE(eventually([&] { return status().waiting == calls.size(); }));
    *lease = Lease();
    for (Call& call : calls) {
        finish(call);
        EXPECT_TRUE(call.lease);
    }
    EXPECT_EQ(status().leases, 2u);
}

TEST_F(SupervisorTest, WhoStandsInLineForAnEngineThatIsTakenOutIsTold) {
    EngineSpec one = spec();
    one.exclusive = "images";
    supervisor_.configure({one});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    Call second;
    begin(second);
    EXPECT_EQ(acquire(200ms).error().kind, base::ErrorKind::timed_out);
    supervisor_.configure({});
    finish(second);
    EXPECT_EQ(second.lease.error().kind, base::ErrorKind::not_found);
    EXPECT_EQ(second.lease.error().detail, "the engine tiny was taken out of the configuration");
    *lease = Lease();
    EXPECT_TRUE(eventually([&] { return supervisor_.status().empty(); }));
}

TEST_F(SupervisorTest, AnEngineThatIsMovedStartsAnewAndWhoWaitedForItIsTold) {
    EngineSpec one = spec({"--slow", "600"});
    one.device = "cuda";
    supervisor_.configure({one});
    Call call;
    begin(call);
    ASSERT_TRUE(reaches(EngineState::starting));
    EXPECT_EQ(status().device, "cuda");
    EngineSpec moved = spec();
    moved.device = "cpu";
    supervisor_.configure({moved});
    finish(call);
    EXPECT_EQ(call.lease.error().kind, base::ErrorKind::not_found);
    EXPECT_EQ(call.lease.error().detail, "the engine tiny was moved to another device");
    EXPECT_TRUE(acquire());
    EXPECT_EQ(status().device, "cpu");
}

}  // namespace
}  // namespace device
