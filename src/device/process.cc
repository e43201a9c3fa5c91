#include "device/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace device {

using base::ErrorKind;
using base::Result;

namespace {

constexpr std::size_t kReadSize = 16u << 10;
/// Reads in one go, so that a child that floods its output can't hold the thread.
constexpr int kMaxReads = 64;

/// A descriptor that closes itself.
class Handle {
public:
    explicit Handle(int fd = -1) : fd_(fd) {}
    ~Handle() {
        if (fd_ >= 0) ::close(fd_);
    }
    Handle(Handle&& other) noexcept : fd_(other.release()) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void close() { Handle{release()}; }

private:
    int fd_;
};

struct Pipe {
    Handle read;
    Handle write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return base::fail(ErrorKind::io, std::string("no pipe: ") + std::strerror(errno));
    return Pipe{Handle(ends[0]), Handle(ends[1])};
}

bool secret(std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    for (const std::string_view end : {"_KEY", "_TOKEN", "_SECRET", "_PASSWORD"})
        if (name.ends_with(end)) return true;
    return false;
}

/// Pointers as execve wants them, made before fork(): after it nothing may be allocated.
struct ExecArguments {
    explicit ExecArguments(const std::vector<std::string>& command) {
        for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        for (char** variable = ::environ; *variable; ++variable)
            if (!secret(*variable)) environment.push_back(*variable);
        environment.push_back(nullptr);
    }
    std::vector<char*> argv;
    std::vector<char*> environment;
};

/// The child's way from fork() to execve(): async-signal-safe calls alone.
[[noreturn]] void become(const ExecArguments& arguments, int output, int problem, pid_t parent) {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it died before the line above
    const int null = ::open("/dev/null", O_RDONLY);
    if (null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
        ::dup2(output, STDERR_FILENO) >= 0) {
        if (::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
            for (int fd = 3; fd < ::sysconf(_SC_OPEN_MAX); ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        sigset_t none;
        sigemptyset(&none);
        ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
        ::execve(arguments.argv[0], arguments.argv.data(), arguments.environment.data());
    }
    const int reason = errno;
    [[maybe_unused]] const ssize_t told = ::write(problem, &reason, sizeof reason);
    ::_exit(127);
}

/// fork() with all signals blocked, so that no handler of ours runs in the child.
pid_t fork_child(const ExecArguments& arguments, int output, int problem) {
    const pid_t parent = ::getpid();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) become(arguments, output, problem, parent);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pid;
}

void reap(pid_t pid) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

std::string describe(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return "exited with status " + std::to_string(info.si_status);
    return "was ended by signal " + std::to_string(info.si_status) + " (" +
           ::strsignal(info.si_status) + ')';
}

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
    auto output = make_pipe();
    if (!output) return std::unexpected(output.error());
    auto problem = make_pipe();
    if (!problem) return std::unexpected(problem.error());
    const auto failed = [&](int reason) {
        return base::fail(ErrorKind::io,
                          "can't run " + command.front() + ": " + std::strerror(reason));
    };
    const ExecArguments arguments(command);
    const pid_t pid = fork_child(arguments, output->write.get(), problem->write.get());
    if (pid < 0) return failed(errno);
    output->write.close();
    problem->write.close();

    int reason = 0;
    ssize_t got = 0;
    while ((got = ::read(problem->read.get(), &reason, sizeof reason)) < 0 && errno == EINTR) {
    }
    if (got != 0) {  // execve failed; on success it closed the pipe
        reap(pid);
        return failed(reason);
    }
    Handle exit(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (exit.get() < 0) {
        const int cause = errno;
        ::kill(-pid, SIGKILL);
        reap(pid);
        return failed(cause);
    }
    return std::unique_ptr<Process>(
        new Process(executor, pid, exit.release(), output->read.release(), std::move(events)));
}

Process::Process(net::Executor executor, int pid, int exit, int output, Events events)
    : pid_(pid),
      exit_(executor, exit),
      output_(executor, output),
      events_(std::move(events)),
      self_(std::make_shared<Process*>(this)) {
    output_.native_non_blocking(true);
    watch_output();
    watch_exit();
}

Process::~Process() {
    *self_ = nullptr;
    if (pid_ == 0) return;
    ::kill(-pid_, SIGKILL);
    reap(pid_);
}

void Process::signal(int number) {
    if (pid_ > 0) ::kill(-pid_, number);
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
    siginfo_t info{};
    // The zombie keeps the group's number ours until the group is killed.
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    ::kill(-pid_, SIGKILL);
    reap(std::exchange(pid_, 0));
    read_output();
    splitter_.finish(events_.line);
    const auto exited = std::move(events_.exited);
    exited(describe(info));
}

}  // namespace device
