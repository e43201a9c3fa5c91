#include "device/agent_guard.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

namespace device {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWord = "--guard-an-agent";
/// Its processes are counted this often.
constexpr long kCountEvery = 200'000'000;
/// Rounds of killing: who forks while it is killed is met in the next.
constexpr int kRounds = 200;
constexpr int kRefused = 127;
constexpr int kTooMany = 86;
constexpr int kAsked = 143;

/// The parent of every process of this machine that can be seen.
std::map<pid_t, pid_t> parents() {
    std::map<pid_t, pid_t> found;
    std::error_code error;
    for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(at->path() / "stat");
        std::string line;
        std::getline(file, line);
        const std::size_t behind = line.rfind(')');  // a program's name may hold anything
        if (behind == std::string::npos) continue;
        char state = 0;
        int parent = 0;
        if (std::sscanf(line.c_str() + behind + 1, " %c %d", &state, &parent) == 2 && state != 'Z')
            found[std::stoi(name)] = parent;
    }
    return found;
}

/// All that came of us. Nobody gets away: who loses its parent becomes our child.
std::vector<pid_t> descendants() {
    const auto known = parents();
    std::vector<pid_t> found{::getpid()};
    for (std::size_t i = 0; i < found.size(); ++i)
        for (const auto& [pid, parent] : known)
            if (parent == found[i]) found.push_back(pid);
    found.erase(found.begin());
    return found;
}

void end_all() {
    for (int round = 0; round < kRounds; ++round) {
        const auto all = descendants();
        if (all.empty()) break;
        for (const pid_t pid : all) ::kill(pid, SIGSTOP);  // none forks behind our back
        for (const pid_t pid : all) ::kill(pid, SIGKILL);
        const timespec moment{0, 5'000'000};
        ::nanosleep(&moment, nullptr);
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    }
}

pid_t start(char** command, const sigset_t& before) {
    const pid_t guard = ::getpid();
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != guard) ::_exit(kRefused);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::execv(command[0], command);
    std::fprintf(stderr, "can't run %s: %s\n", command[0], std::strerror(errno));
    ::_exit(kRefused);
}

/// The status of `agent` once it has ended; all others that ended are reaped.
std::optional<int> status_of(pid_t agent) {
    std::optional<int> status;
    int one = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &one, WNOHANG)) > 0;)
        if (pid == agent) status = WIFEXITED(one) ? WEXITSTATUS(one) : 128 + WTERMSIG(one);
    return status;
}

int guard(pid_t parent, std::size_t most, char** command) {
    sigset_t ours;
    sigset_t before;
    sigemptyset(&ours);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&ours, number);
    ::sigprocmask(SIG_BLOCK, &ours, &before);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::getppid() != parent) return kAsked;
    const pid_t agent = start(command, before);
    if (agent < 0) return kRefused;
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // the end of the agent's output is seen as such
    for (;;) {
        const timespec wait{0, kCountEvery};
        const int number = ::sigtimedwait(&ours, nullptr, &wait);
        if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
            end_all();
            return kAsked;
        }
        if (const auto status = status_of(agent)) {
            end_all();
            return *status;
        }
        if (descendants().size() > most) {
            std::fprintf(stderr, "it had more than %zu processes at once\n", most);
            end_all();
            return kTooMany;
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

std::optional<int> run_guard(int argc, char** argv) {
    constexpr int kWords = 4;
    if (argc <= kWords || std::strcmp(argv[1], kWord) != 0) return std::nullopt;
    return guard(std::atoi(argv[2]), static_cast<std::size_t>(std::atoi(argv[3])), argv + kWords);
}

}  // namespace device
