#include "device/supervisor_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

namespace device {
namespace {

TEST_F(SupervisorTest, StartsOnDemandAndServesUntilIdle) {
    EngineSpec short_lived = spec();
    short_lived.ttl = 100ms;
    supervisor_.configure({short_lived});
    auto lease = acquire();
    ASSERT_TRUE(lease) << lease.error().detail;
    EXPECT_EQ(status().state, EngineState::ready);
    EXPECT_EQ(status().port, lease->port());
    const int pid = status().pid;
    EXPECT_FALSE(dead(pid));

    auto second = acquire();
    ASSERT_TRUE(second);
    *lease = Lease();
    EXPECT_EQ(second->port(), status().port);
    *second = Lease();
    EXPECT_TRUE(reaches(EngineState::stopped));
    EXPECT_TRUE(dead(pid));
    EXPECT_EQ(pids().size(), 1u);
}

TEST_F(SupervisorTest, FiftyCallersWaitForOneSlowStart) {
    supervisor_.configure({spec({"--slow", "0.3"})});
    std::vector<Call> calls(50);
    for (Call& call : calls) begin(call);
    for (Call& call : calls) {
        finish(call);
        EXPECT_TRUE(call.lease);
    }
    EXPECT_EQ(pids().size(), 1u);
}

TEST_F(SupervisorTest, AnUnknownEngineIsNotFound) {
    supervisor_.configure({spec()});
    EXPECT_EQ(acquire(5s, "other").error().kind, base::ErrorKind::not_found);
}

TEST_F(SupervisorTest, SaysWhyAnEngineFailsAndBacksOff) {
    const fs::path broken = folder_ / "broken";
    std::ofstream(broken) << '\n';
    supervisor_.configure({spec({"--fail-if", broken})});
    const auto first = acquire();
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().kind, base::ErrorKind::io);
    EXPECT_NE(first.error().detail.find("exited with status 3: loading"), std::string::npos)
        << first.error().detail;
    EXPECT_NE(first.error().detail.find("the model is broken"), std::string::npos)
        << first.error().detail;
    EXPECT_EQ(status().state, EngineState::failed);
    fs::remove(broken);
    base::Result<Lease> later;
    EXPECT_TRUE(eventually([&] { return (later = acquire()).has_value(); }));
    EXPECT_EQ(status().restarts, 1);
    EXPECT_EQ(pids().size(), 2u);
}

TEST_F(SupervisorTest, TheEngineGetsOurEnvironmentWithoutItsKeys) {
    const fs::path broken = folder_ / "broken";
    std::ofstream(broken) << '\n';
    ::setenv("TEST_API_KEY", "hidden", 1);
    ::setenv("TEST_PLAIN", "shown", 1);
    supervisor_.configure({spec({"--fail-if", broken})});
    const auto refused = acquire();
    ::unsetenv("TEST_API_KEY");
    ::unsetenv("TEST_PLAIN");
    EXPECT_NE(refused.error().detail.find("loading TEST_PLAIN=set |"), std::string::npos)
        << refused.error().detail;
}

TEST_F(SupervisorTest, ACrashIsFollowedByAFreshStart) {
    supervisor_.configure({spec({"--grandchild", "--detached-grandchild"})});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const auto before = pids();
    ASSERT_EQ(before.size(), 3u);
    EXPECT_EQ(status().pid, before[0]);
    EXPECT_EQ(std::set(before.begin(), before.end()), descendants());
    crash();
    EXPECT_TRUE(dead(before[1])) << "its children go too";
    EXPECT_TRUE(dead(before[2])) << "wherever they went";
    EXPECT_NE(status().last_error.find("signal 9"), std::string::npos);
    auto again = acquire();
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(status().restarts, 1);
    *lease = Lease();  // of the old run: the new one stays
    EXPECT_EQ(status().state, EngineState::ready);
}

TEST_F(SupervisorTest, ADeadlineEndsTheWaitAndTheStartIsFinished) {
    supervisor_.configure({spec({"--slow", "0.5"})});
    EXPECT_EQ(acquire(50ms).error().kind, base::ErrorKind::timed_out);
    EXPECT_TRUE(reaches(EngineState::ready));
    EXPECT_TRUE(acquire());
    EXPECT_EQ(pids().size(), 1u);
}

TEST_F(SupervisorTest, AnAbortEndsTheWaitAtOnce) {
    supervisor_.configure({spec({"--slow", "600"})});
    Call call;
    begin(call);
    ASSERT_TRUE(reaches(EngineState::starting));
    abort(call);
    finish(call);
    EXPECT_EQ(call.lease.error().kind, base::ErrorKind::gone);
}

TEST_F(SupervisorTest, StopsAnEngineThatNeverGetsReady) {
    EngineSpec hopeless = spec({"--slow", "600"});
    hopeless.start_timeout = 300ms;
    supervisor_.configure({hopeless});
    const auto refused = acquire();
    EXPECT_NE(refused.error().detail.find("not ready within"), std::string::npos);
    EXPECT_TRUE(reaches(EngineState::failed));
    EXPECT_TRUE(eventually([&] { return pids().empty() || dead(pids().front()); }));
}

TEST_F(SupervisorTest, TakesAnotherPortWhenItsOwnIsTaken) {
    const fs::path wish = folder_ / "lost";
    supervisor_.configure({spec({"--lose-port-once", wish})});
    Call call;
    begin(call);
    ASSERT_TRUE(eventually([&] { return fs::exists(wish); }));
    unsigned short port = 0;
    std::ifstream(wish) >> port;
    net::asio::io_context thief;
    const net::asio::ip::tcp::acceptor taken(thief,
                                             {net::asio::ip::make_address_v4("127.0.0.1"), port});
    std::ofstream(wish.string() + ".taken") << '\n';
    finish(call);
    ASSERT_TRUE(call.lease) << call.lease.error().detail;
    EXPECT_NE(call.lease->port(), port);
    EXPECT_EQ(status().restarts, 0);
    EXPECT_EQ(pids().size(), 2u);
}

TEST_F(SupervisorTest, MissingProgramsAndModelsAreNamed) {
    EngineSpec missing = spec();
    missing.command = {"no-such-program-here"};
    EngineSpec model = spec();
    model.name = "model";
    model.command = {"./fake", "--fill", "https://models.invalid/path/big.gguf?download=true"};
    supervisor_.configure({missing, model});
    EXPECT_NE(acquire().error().detail.find("no program no-such-program-here"), std::string::npos);
    EXPECT_EQ(acquire(5s, "model").error().detail, "big.gguf is not here yet: run `freeway pull`");
    fs::create_directories(folder_ / "data" / "models");
    std::ofstream(folder_ / "data" / "models" / "big.gguf") << "GGUF";
    model.command.insert(model.command.end(), {"--notes", notes()});
    supervisor_.configure({missing, model});
    EXPECT_TRUE(acquire(20s, "model"));
}

TEST_F(SupervisorTest, ShutdownEndsWhatIgnoresTerminationAndAllThatCameOfIt) {
    supervisor_.configure({spec({"--ignore-term", "--grandchild", "--detached-grandchild"})});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const auto before = pids();
    ASSERT_EQ(before.size(), 3u);
    supervisor_.shutdown();
    for (const int pid : before) EXPECT_TRUE(dead(pid)) << pid;
    EXPECT_EQ(acquire().error().kind, base::ErrorKind::gone);
    *lease = Lease();
}

TEST_F(SupervisorTest, ShutdownAnswersWaiters) {
    supervisor_.configure({spec({"--slow", "600"})});
    Call call;
    begin(call);
    ASSERT_TRUE(reaches(EngineState::starting));
    supervisor_.shutdown();
    finish(call);
    EXPECT_EQ(call.lease.error().kind, base::ErrorKind::gone);
}

TEST_F(SupervisorTest, ManyCallersComeAndGo) {
    EngineSpec restless = spec();
    restless.ttl = 1ms;
    supervisor_.configure({restless});
    std::vector<Call> calls(300);
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (i >= 100)
            net::asio::post(worker_.loop, [&call = calls[i - 100]] {
                if (call.done && call.lease) *call.lease = Lease();
            });
        begin(calls[i], i % 3 == 0 ? 1ms : 30s);
        if (i % 5 == 0) abort(calls[i]);
        if (i % 50 == 0) acquire();
    }
    for (Call& call : calls) finish(call);
}

TEST_F(SupervisorTest, AnEngineThatCannotBeRunIsSaidAndHasNoPause) {
    fs::create_directories(folder_ / "data");
    std::ofstream(folder_ / "broken") << "#!/nowhere/interpreter\n";
    fs::permissions(folder_ / "broken", fs::perms::owner_all);
    EngineSpec broken = spec();
    broken.command = {"./broken"};
    supervisor_.configure({broken});
    for (int tries = 0; tries < 2; ++tries) {
        const auto refused = acquire();
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().detail.ends_with("broken: No such file or directory"))
            << refused.error().detail;
    }
}

/// kill -9 of the process that owns the supervisor: run again as a helper, because a
/// forked copy of a threaded process could not start threads.
TEST_F(SupervisorTest, KillNineOfFreewayEndsTheEngine) {
    const std::string self = fs::read_symlink("/proc/self/exe");
    const pid_t helper = ::fork();
    if (helper == 0) {
        ::setenv("FREEWAY_TEST_FOLDER", folder_.c_str(), 1);
        ::execl(self.c_str(), self.c_str(),
                "--gtest_filter=SupervisorHelper.DISABLED_RunsUntilKilled",
                "--gtest_also_run_disabled_tests", nullptr);
        ::_exit(127);
    }
    const bool started = eventually([&] { return pids().size() == 3; });
    ::kill(helper, SIGKILL);
    ::waitpid(helper, nullptr, 0);
    ASSERT_TRUE(started);
    for (const int pid : pids()) EXPECT_TRUE(eventually([&] { return dead(pid); })) << pid;
}

TEST(SupervisorHelper, DISABLED_RunsUntilKilled) {
    const char* const folder = ::getenv("FREEWAY_TEST_FOLDER");
    ASSERT_NE(folder, nullptr);
    net::Worker worker;
    Supervisor supervisor(std::string(folder) + "/data", {folder});
    supervisor.configure({{"tiny",
                           {"./fake", "--notes", std::string(folder) + "/notes", "--grandchild",
                            "--detached-grandchild"},
                           "/health",
                           0s,
                           20s}});
    net::AbortHandle abort;
    net::asio::co_spawn(
        worker.loop.get_executor(),
        supervisor.acquire(worker.loop.get_executor(), "tiny", base::Clock::now() + 20s, abort),
        [](const std::exception_ptr&, const base::Result<Lease>&) {});
    worker.loop.run();
    ::sleep(60);
}

TEST_F(SupervisorTest, UnloadsAnIdleEngineAndNotABusyOne) {
    supervisor_.configure({spec()});
    EXPECT_TRUE(end(End::unload));
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const int pid = status().pid;
    EXPECT_EQ(status().leases, 1u);
    EXPECT_EQ(end(End::unload).error().kind, base::ErrorKind::refused);
    EXPECT_FALSE(dead(pid));

    *lease = Lease();
    ASSERT_TRUE(eventually([&] { return status().leases == 0; }));
    EXPECT_TRUE(end(End::unload));
    EXPECT_TRUE(dead(pid));
    EXPECT_EQ(status().state, EngineState::stopped);
    EXPECT_EQ(end(End::unload, "nobody").error().kind, base::ErrorKind::not_found);
    EXPECT_TRUE(acquire());
}

TEST_F(SupervisorTest, KillsABusyEngineWithAllThatCameOfIt) {
    supervisor_.configure({spec({"--ignore-term", "--grandchild", "--detached-grandchild"})});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(lease->cancelled());
    EXPECT_TRUE(end(End::kill));
    EXPECT_TRUE(lease->cancelled());
    EXPECT_EQ(status().state, EngineState::stopped);
    for (const int pid : pids()) EXPECT_TRUE(dead(pid)) << pid;

    auto again = acquire();
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->cancelled());
    EXPECT_TRUE(lease->cancelled());
}

TEST_F(SupervisorTest, AFixedPortIsTheEngines) {
    EngineSpec any = spec();
    supervisor_.configure({any});
    std::uint16_t port = 0;
    {
        auto lease = acquire();
        ASSERT_TRUE(lease);
        port = lease->port();
    }
    EngineSpec fixed = any;
    fixed.port = port;
    supervisor_.configure({fixed});
    auto lease = acquire();
    ASSERT_TRUE(lease) << lease.error().detail;
    EXPECT_EQ(lease->port(), port);

    EngineSpec other = fixed;
    other.name = "other";
    supervisor_.configure({fixed, other});
    const auto refused = acquire(30s, "other");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().detail.contains("is taken by another program"))
        << refused.error().detail;
}

}  // namespace
}  // namespace device
