#include "device/child.h"

#include "device/child_environment.h"
#include "device/child_guard.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace device {

using base::ErrorKind;
using base::Result;

namespace {

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

/// All that the guard needs between fork() and execve(), made before: after it nothing may be
/// allocated.
struct Prepared {
    explicit Prepared(const Launch& what)
        : words(guard_command(what.command, what.most_processes)),
          variables(what.environment ? *what.environment : child_environment()) {
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        for (std::string& variable : variables) environment.push_back(variable.data());
        environment.push_back(nullptr);
        if (!what.folder.empty()) folder = what.folder.c_str();
        input = what.input;
    }
    std::vector<std::string> words;
    std::vector<std::string> variables;
    std::vector<char*> argv;
    std::vector<char*> environment;
    const char* folder = nullptr;
    int input = -1;
    int output = -1;
    int errors = -1;
    int report = -1;
};

/// Closes what is ours at execve(), but for the guard's report.
void close_ours() {
    constexpr unsigned kFirst = kGuardReport + 1;
    if (::close_range(kFirst, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return;
    for (int fd = kFirst; fd < ::sysconf(_SC_OPEN_MAX); ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/// The guard's way from fork() to execve(): async-signal-safe calls alone.
[[noreturn]] void become(const Prepared& child, pid_t parent) {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it died before the line above
    const int input = child.input >= 0 ? child.input : ::open("/dev/null", O_RDONLY);
    const bool there = !child.folder || ::chdir(child.folder) == 0;
    if (there && input >= 0 && ::dup2(input, STDIN_FILENO) >= 0 &&
        ::dup2(child.output, STDOUT_FILENO) >= 0 && ::dup2(child.errors, STDERR_FILENO) >= 0 &&
        ::dup2(child.report, kGuardReport) >= 0 && ::fcntl(kGuardReport, F_SETFD, 0) == 0) {
        close_ours();
        sigset_t none;
        sigemptyset(&none);
        ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
        ::execve(child.argv[0], child.argv.data(), child.environment.data());
    }
    const int reason = -errno;
    [[maybe_unused]] const ssize_t told = ::write(child.report, &reason, sizeof reason);
    ::_exit(127);
}

/// fork() with all signals blocked, so that no handler of ours runs in the child.
pid_t fork_child(const Prepared& child) {
    const pid_t parent = ::getpid();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) become(child, parent);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pid;
}

/// The child's process id, or the errno that explains why there is none. A guard that says nothing
/// was ended by somebody.
std::expected<pid_t, int> read_report(int fd) {
    pid_t pid = 0;
    for (int told = 0;;) {
        const ssize_t got = ::read(fd, &told, sizeof told);
        if (got < 0 && errno == EINTR) continue;
        if (got != sizeof told) break;
        if (told < 0) return std::unexpected(-told);
        pid = told;
    }
    if (pid == 0) return std::unexpected(ECHILD);
    return pid;
}

}  // namespace

Handle::~Handle() {
    if (fd_ >= 0) ::close(fd_);
}

void reap(pid_t pid) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

std::string how_it_ended(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    if (info.si_code == CLD_EXITED) return "exited with status " + std::to_string(info.si_status);
    return "was ended by signal " + std::to_string(info.si_status) + " (" +
           ::strsignal(info.si_status) + ')';
}

Result<Child> launch(const Launch& what) {
    auto output = make_pipe();
    auto errors = make_pipe();
    auto report = make_pipe();
    for (const Result<Pipe>* pipe : {&output, &errors, &report})
        if (!*pipe) return std::unexpected(pipe->error());
    const auto failed = [&](int reason) {
        return base::fail(ErrorKind::io,
                          "can't run " + what.command.front() + ": " + std::strerror(reason));
    };
    Prepared prepared(what);
    prepared.output = output->write.get();
    prepared.errors = what.parted ? errors->write.get() : prepared.output;
    prepared.report = report->write.get();
    Child child{.guard = fork_child(prepared)};
    if (child.guard < 0) return failed(errno);
    for (Pipe* pipe : {&*output, &*errors, &*report}) pipe->write.close();

    const auto pid = read_report(report->read.get());
    child.exit = Handle(static_cast<int>(::syscall(SYS_pidfd_open, child.guard, 0)));
    if (!pid || child.exit.get() < 0) {
        const int cause = pid ? errno : pid.error();
        end_guarded(child.guard);
        reap(child.guard);
        return failed(cause);
    }
    child.pid = *pid;
    child.output = std::move(output->read);
    if (what.parted) child.errors = std::move(errors->read);
    return child;
}

}  // namespace device
