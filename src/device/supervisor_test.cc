#include "device/supervisor.h"

#include "device/testing.h"
#include "net/worker.h"

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <thread>

namespace device {
namespace {

class SupervisorTest : public testing::Test {
protected:
    SupervisorTest() {
        std::ofstream(folder_ / "fake") << kFakeEngine;
        fs::permissions(folder_ / "fake", fs::perms::owner_all);
    }
    ~SupervisorTest() override {
        supervisor_.shutdown();
        stay_.reset();
        worker_thread_.join();
        fs::remove_all(folder_);
    }

    EngineSpec spec(std::vector<std::string> options = {}) const {
        EngineSpec made{"tiny", {"./fake", "--notes", notes().string()}, "/health", 600s, 20s};
        made.command.insert(made.command.end(), options.begin(), options.end());
        return made;
    }
    fs::path notes() const { return folder_ / "notes"; }
    std::vector<int> pids() const {
        std::vector<int> all;
        std::ifstream file(notes());
        for (int pid = 0; file >> pid;) all.push_back(pid);
        return all;
    }
    EngineStatus status() const {
        const auto all = supervisor_.status();
        return all.empty() ? EngineStatus{} : all.front();
    }
    bool reaches(EngineState state) {
        return eventually([&] { return status().state == state; });
    }

    /// One acquire() on the worker's thread. What is shared is touched there alone until `done`.
    struct Call {
        net::AbortHandle abort;
        base::Result<Lease> lease;
        std::atomic<bool> done = false;
    };
    static net::Task<> run(Supervisor& supervisor, net::Executor executor, std::string name,
                           base::Time deadline, Call& call) {
        call.lease = co_await supervisor.acquire(executor, std::move(name), deadline, call.abort);
        call.done = true;
    }
    static net::Task<> run_impatient(Supervisor& supervisor, net::Executor executor, Call& call) {
        call.lease = co_await supervisor.acquire(executor, "two", base::Clock::now() + 30s,
                                                 call.abort, {.when_busy = WhenBusy::refuse});
        call.done = true;
    }
    void begin(Call& call, base::Duration limit = 30s, const std::string& name = "tiny") {
        net::asio::post(worker_.loop, [this, &call, limit, name] {
            const auto executor = worker_.loop.get_executor();
            worker_.tasks.spawn(run(supervisor_, executor, name, base::Clock::now() + limit, call),
                                [] {});
        });
    }
    void finish(Call& call) {
        ASSERT_TRUE(eventually([&] { return call.done.load(); }));
    }
    void abort(Call& call) {
        net::asio::post(worker_.loop, [&call] { call.abort.abort(); });
    }
    base::Result<Lease> acquire(base::Duration limit = 30s, const std::string& name = "tiny") {
        Call call;
        begin(call, limit, name);
        finish(call);
        return std::move(call.lease);
    }
    enum class End { unload, kill };
    static net::Task<> run_end(Supervisor& supervisor, net::Executor executor, End how,
                               std::string name, std::promise<base::Result<void>>& done) {
        const base::Time by = base::Clock::now() + 30s;
        done.set_value(how == End::unload ? co_await supervisor.unload(executor, name, by)
                                          : co_await supervisor.kill(executor, name, by));
    }
    base::Result<void> end(End how, const std::string& name = "tiny") {
        std::promise<base::Result<void>> done;
        net::asio::post(worker_.loop, [&] {
            worker_.tasks.spawn(run_end(supervisor_, worker_.loop.get_executor(), how, name, done),
                                [] {});
        });
        return done.get_future().get();
    }
    /// Ends the engine from inside, and waits until that is seen.
    void crash() {
        ASSERT_EQ(::kill(status().pid, SIGKILL), 0);
        ASSERT_TRUE(reaches(EngineState::failed));
    }

    const fs::path folder_ = fresh_folder();
    net::Worker worker_;
    std::optional<net::asio::executor_work_guard<net::Executor>> stay_{worker_.loop.get_executor()};
    std::jthread worker_thread_{[this] { worker_.loop.run(); }};
    Supervisor supervisor_{folder_ / "data", {folder_}};
};

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
    supervisor_.configure({spec({"--grandchild"})});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const auto before = pids();
    ASSERT_EQ(before.size(), 2u);
    crash();
    EXPECT_TRUE(eventually([&] { return dead(before[1]); })) << "the grandchild goes too";
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
    supervisor_.configure({spec({"--lose-port-once", folder_ / "lost"})});
    const auto lease = acquire();
    ASSERT_TRUE(lease) << lease.error().detail;
    EXPECT_EQ(status().restarts, 0);
    ASSERT_EQ(pids().size(), 3u);
    ::kill(pids()[1], SIGKILL);  // the thief, which left the process group
}

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

TEST_F(SupervisorTest, ShutdownEndsWhatIgnoresTerminationAndItsGroup) {
    supervisor_.configure({spec({"--ignore-term", "--grandchild"})});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    const auto before = pids();
    ASSERT_EQ(before.size(), 2u);
    supervisor_.shutdown();
    EXPECT_TRUE(dead(before[0]));
    EXPECT_TRUE(eventually([&] { return dead(before[1]); }));
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
    const bool started = eventually([&] { return !pids().empty(); });
    ::kill(helper, SIGKILL);
    ::waitpid(helper, nullptr, 0);
    ASSERT_TRUE(started);
    EXPECT_TRUE(eventually([&] { return dead(pids().front()); }));
}

TEST(SupervisorHelper, DISABLED_RunsUntilKilled) {
    const char* const folder = ::getenv("FREEWAY_TEST_FOLDER");
    ASSERT_NE(folder, nullptr);
    net::Worker worker;
    Supervisor supervisor(std::string(folder) + "/data", {folder});
    supervisor.configure(
        {{"tiny", {"./fake", "--notes", std::string(folder) + "/notes"}, "/health", 0s, 20s}});
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

TEST_F(SupervisorTest, KillsABusyEngineWithItsGroup) {
    supervisor_.configure({spec({"--ignore-term", "--grandchild"})});
    auto lease = acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(lease->cancelled());
    EXPECT_TRUE(end(End::kill));
    EXPECT_TRUE(lease->cancelled());
    EXPECT_EQ(status().state, EngineState::stopped);
    for (const int pid : pids()) EXPECT_TRUE(eventually([&] { return dead(pid); }));

    auto again = acquire();
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->cancelled());
    EXPECT_TRUE(lease->cancelled());
}

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
