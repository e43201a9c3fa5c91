#include "device/process.h"

#include "device/child_guard.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace device {

using base::Result;

namespace {

constexpr std::size_t kReadSize = 16u << 10;
/// Reads in one go, so that a child that floods its output can't hold the thread.
constexpr int kMaxReads = 64;

}  // namespace

void LineSplitter::feed(std::string_view bytes,
                        const std::function<void(std::string_view)>& on_line) {
    for (const char c : bytes) {
        if (c == '\n')
            finish(on_line);
        else if (line_.size() < kMaxLine)
            line_ += c == '\t' || (c >= 0 && c < ' ') || c == 127 ? ' ' : c;
    }
}

void LineSplitter::finish(const std::function<void(std::string_view)>& on_line) {
    const std::size_t end = line_.find_last_not_of(' ');
    line_.resize(end == std::string::npos ? 0 : end + 1);
    if (!line_.empty()) on_line(line_);
    line_.clear();
}

Result<std::unique_ptr<Process>> Process::start(net::Executor executor,
                                                const std::vector<std::string>& command,
                                                Events events) {
    auto child = launch({command});
    if (!child) return std::unexpected(child.error());
    return std::unique_ptr<Process>(new Process(executor, std::move(*child), std::move(events)));
}

Process::Process(net::Executor executor, Child child, Events events)
    : guard_(child.guard),
      pid_(child.pid),
      exit_(executor, child.exit.release()),
      output_(executor, child.output.release()),
      events_(std::move(events)),
      self_(std::make_shared<Process*>(this)) {
    output_.native_non_blocking(true);
    watch_output();
    watch_exit();
}

Process::~Process() {
    *self_ = nullptr;
    if (guard_ == 0) return;
    kill();
    reap(guard_);
}

void Process::terminate() {
    if (guard_ > 0) ::kill(guard_, SIGTERM);
}

void Process::kill() {
    if (guard_ > 0) end_guarded(guard_);
}

void Process::watch_output() {
    output_.async_wait(Descriptor::wait_read, [self = self_](const net::error_code& error) {
        Process* const process = *self;
        if (!error && process && process->read_output()) process->watch_output();
    });
}

/// Hands out what there is; false at the end of the output.
bool Process::read_output() {
    std::array<char, kReadSize> bytes;
    for (int reads = 0; reads < kMaxReads; ++reads) {
        const ssize_t got = ::read(output_.native_handle(), bytes.data(), bytes.size());
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return false;
        splitter_.feed({bytes.data(), static_cast<std::size_t>(got)}, events_.line);
    }
    return true;
}

void Process::watch_exit() {
    exit_.async_wait(Descriptor::wait_read, [self = self_](const net::error_code& error) {
        if (!error && *self) (*self)->end();
    });
}

void Process::end() {
    const std::string reason = how_it_ended(guard_);
    reap(std::exchange(guard_, 0));
    read_output();
    splitter_.finish(events_.line);
    const auto exited = std::move(events_.exited);
    exited(reason);
}

}  // namespace device
