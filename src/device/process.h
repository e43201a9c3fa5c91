#pragma once

#include "base/result.h"
#include "device/child.h"
#include "net/asio.h"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace device {

/// Cuts a stream of bytes into printable lines of bounded length.
class LineSplitter {
public:
    static constexpr std::size_t kMaxLine = 2'000;

    void feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line);
    /// The last line, which no newline ended.
    void finish(const std::function<void(std::string_view)>& on_line);

private:
    std::string line_;
};

/// A child process under a guard: leader of a process group of its own, with /dev/null as input, no
/// descriptor and no secret of ours, its output read line by line. All that comes of it ends with
/// it, and with the thread that started it, so that thread must live as long as the child may.
/// Passive: it decides nothing. Used on the executor's thread; `exited` may destroy it, `line` must
/// not.
class Process {
public:
    struct Events {
        std::function<void(std::string_view)> line;
        /// The child is gone, and all that came of it; all its lines were given.
        std::function<void(std::string reason)> exited;
    };

    /// `command[0]` is a path. io: it can't be run.
    static base::Result<std::unique_ptr<Process>> start(net::Executor executor,
                                                        const std::vector<std::string>& command,
                                                        Events events);
    /// Kills what still runs, and waits for its end.
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    int pid() const { return pid_; }
    /// All that came of the child is below it in the tree of processes.
    int guard() const { return guard_; }
    /// Asks the child's process group to end.
    void terminate();
    /// Ends the child and all that came of it, wherever it went.
    void kill();

private:
    using Descriptor = net::asio::posix::basic_stream_descriptor<net::Executor>;

    Process(net::Executor executor, Child child, Events events);
    void watch_output();
    void watch_exit();
    bool read_output();
    void end();

    int guard_;  ///< 0: ended
    int pid_;
    Descriptor exit_;  ///< pidfd of the guard
    Descriptor output_;
    LineSplitter splitter_;
    Events events_;
    std::shared_ptr<Process*> self_;  ///< null inside once destroyed: for waits under way
};

}  // namespace device
