#include "device/child_guard.h"

#include "device/process_limit.h"
#include "device/process_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace device {
namespace {

constexpr const char* kWord = "--guard-a-child";
/// Where there is a limit, the processes are counted this often.
constexpr long kCountEvery = 200'000'000;
/// Rounds of killing: who forks while it is killed is met in the next. What the kernel does not let
/// go of for a second is left to it.
constexpr int kRounds = 200;
/// The kernel counts threads too. It only has to see to it that a program that begets others as
/// fast as it can does not take the machine before it is counted.
constexpr int kThreadsEach = 16;
constexpr int kRefused = 127;
constexpr int kTooMany = 86;
/// Ends all at once. The kernel sends it when freeway is gone.
constexpr int kEndAll = SIGINT;

/// The command that is guarded: leader of a process group of its own.
struct Guarded {
    pid_t pid = 0;
    std::optional<int> status{};  ///< as waitpid() gives it, once it has ended

    /// Reaps all that ended.
    void look() {
        int one = 0;
        for (pid_t gone = 0; (gone = ::waitpid(-1, &one, WNOHANG)) > 0;)
            if (gone == pid) status = one;
    }
};

/// Nobody gets away: who loses its parent becomes our child. Returns when the command itself is
/// gone, however long that takes: its memory is free only then.
void end_all(Guarded& command) {
    for (int round = 0; round < kRounds; ++round) {
        const auto all = descendants_of(::getpid());
        if (all.empty()) break;
        for (const pid_t pid : all) ::kill(pid, SIGSTOP);  // none forks behind our back
        for (const pid_t pid : all) ::kill(pid, SIGKILL);
        const timespec moment{0, 5'000'000};
        ::nanosleep(&moment, nullptr);
        command.look();
    }
    int status = 0;
    if (!command.status && ::waitpid(command.pid, &status, 0) == command.pid)
        command.status = status;
}

/// Tells `value` on kGuardReport.
void report(int value) {
    [[maybe_unused]] const ssize_t told = ::write(kGuardReport, &value, sizeof value);
}

pid_t start(char** command, const ProcessLimit* limit, const sigset_t& before) {
    const pid_t guard = ::getpid();
    ::fcntl(kGuardReport, F_SETFD, FD_CLOEXEC);
    const pid_t pid = ::fork();
    if (pid != 0) {
        report(pid > 0 ? pid : -errno);
        ::close(kGuardReport);
        return pid;
    }
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != guard) ::_exit(kRefused);
    if (limit) limit->enter();
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::execv(command[0], command);
    report(-errno);
    ::_exit(kRefused);
}

/// Ends as the command did, so that whoever waits for the guard learns of it.
int end_as(int status) {
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    const int number = WTERMSIG(status);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    ::signal(number, SIG_DFL);
    ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
    ::kill(::getpid(), number);
    return 128 + number;
}

/// The next signal; 0: it is time to count.
int next_signal(const sigset_t& ours, bool counting) {
    const timespec wait{0, kCountEvery};
    const int number =
        counting ? ::sigtimedwait(&ours, nullptr, &wait) : ::sigwaitinfo(&ours, nullptr);
    return number > 0 ? number : 0;
}

/// As waitpid() tells an exit.
constexpr int exited_with(int code) { return code << 8; }

/// Starts the command and waits for its end, however it comes: its status.
int keep(pid_t parent, int most, char** argv) {
    sigset_t ours;
    sigset_t before;
    sigemptyset(&ours);
    for (const int number : {SIGTERM, kEndAll, SIGCHLD}) sigaddset(&ours, number);
    ::sigprocmask(SIG_BLOCK, &ours, &before);
    ::prctl(PR_SET_PDEATHSIG, kEndAll);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::getppid() != parent) return exited_with(kRefused);
    const auto limit = most > 0 ? ProcessLimit::make(most * kThreadsEach) : nullptr;
    Guarded command{.pid = start(argv, limit.get(), before)};
    if (command.pid < 0) return exited_with(kRefused);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // the end of the command's output is seen as such
    for (;;) {
        const int number = next_signal(ours, most > 0);
        if (number == SIGTERM) ::kill(-command.pid, SIGTERM);
        command.look();
        if (number == kEndAll || command.status) {
            end_all(command);
            return command.status.value_or(SIGKILL);
        }
        if (most > 0 && std::ssize(descendants_of(::getpid())) > most) {
            std::fprintf(stderr, "it had more than %d processes at once\n", most);
            end_all(command);
            return exited_with(kTooMany);
        }
    }
}

}  // namespace

std::vector<std::string> guard_command(const std::vector<std::string>& command,
                                       int most_processes) {
    std::vector<std::string> out{"/proc/self/exe", kWord, std::to_string(::getpid()),
                                 std::to_string(most_processes)};
    out.insert(out.end(), command.begin(), command.end());
    return out;
}

void end_guarded(pid_t guard) {
    ::kill(guard, kEndAll);
    ::kill(guard, SIGCONT);  // one that somebody has stopped
}

std::optional<int> run_guard(int argc, char** argv) {
    constexpr int kWords = 4;
    if (argc <= kWords || std::strcmp(argv[1], kWord) != 0) return std::nullopt;
    return end_as(keep(std::atoi(argv[2]), std::atoi(argv[3]), argv + kWords));
}

}  // namespace device
