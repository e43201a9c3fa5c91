#pragma once

#include "device/process_tree.h"
#include "device/supervisor.h"
#include "device/testing.h"
#include "net/worker.h"

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <signal.h>

#include <atomic>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace device {

/// A supervisor with fake engines, and a worker whose tasks ask for them.
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
    std::set<int> descendants() const {
        const auto all = descendants_of(status().guard);
        return {all.begin(), all.end()};
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

}  // namespace device
