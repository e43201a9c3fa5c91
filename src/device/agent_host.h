#pragma once

#include "base/result.h"
#include "net/asio.h"
#include "net/upstream.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace device {

/// A command line of an agent, and what it is run with.
struct AgentCommand {
    std::vector<std::string> command;      ///< program and arguments, no shell between
    std::vector<std::string> environment;  ///< NAME=VALUE: nothing else is handed on
    std::string folder;                    ///< it works in; made where missing
    std::string home;                      ///< its HOME; made where missing
    bool fresh = false;                    ///< the folder is of this run alone and goes with it
    std::vector<std::pair<std::string, std::string>> files;  ///< path and content, written before
    std::string input;                                       ///< its standard input
    std::size_t most_output = 0;                             ///< bytes that it may print
    int most_processes = 0;                                  ///< that it may have at once
    std::shared_ptr<void> hold{};  ///< let go, on the host's thread, once all of it is gone
};

/// One run under way, as its request sees it; used on the worker's thread. Destroying it ends
/// the run with all its processes.
class AgentRun {
public:
    struct Channel;  ///< shared with the host's thread

    explicit AgentRun(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
    ~AgentRun();
    AgentRun(const AgentRun&) = delete;
    AgentRun& operator=(const AgentRun&) = delete;

    /// The next of what it printed, valid until the next call; empty once it has ended.
    /// timed_out, gone (abort() was called).
    net::Task<base::Result<std::string_view>> next(base::Time deadline, net::AbortHandle& abort);
    /// "exited with status 0", and the end of its standard error. After the last next().
    std::string how() const;
    std::string last_words() const;
    /// It has said all that it was run for: it may end by itself for a moment (kFarewell), whatever
    /// becomes of this object, and is ended then.
    void answered();

private:
    std::shared_ptr<Channel> channel_;
    std::string given_;  ///< what next() gave last
    bool answered_ = false;
};

/// Runs command lines of agents, on one thread of its own that lives as long as they may. Each is
/// held by a guard process (run_guard), so that none of its processes outlives it, nor freeway.
class AgentHost {
public:
    /// Runs at one time.
    static constexpr std::size_t kMostRuns = 32;
    /// Output that waits for its reader: then the agent waits too.
    static constexpr std::size_t kMostWaiting = 1u << 20;
    /// For one that has answered, to put its house in order.
    static constexpr base::Duration kFarewell{300};

    /// `folder`: below it the workspaces are; what earlier fresh runs left there is removed.
    explicit AgentHost(std::string folder);
    ~AgentHost();
    AgentHost(const AgentHost&) = delete;
    AgentHost& operator=(const AgentHost&) = delete;

    const std::string& folder() const { return folder_; }
    /// Begins a run for a request on `executor`. nullptr: too many are under way.
    std::unique_ptr<AgentRun> start(net::Executor executor, AgentCommand command);
    /// Ends every run and waits until all are gone, with the thread. False: some still are there,
    /// and so is what they refer to.
    bool shutdown();

    /// Names of fresh workspaces begin so.
    static constexpr std::string_view kFresh = "run-";

private:
    struct Impl;
    std::string folder_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace device
