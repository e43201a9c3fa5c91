#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace device {

/// A guard is this program itself in another role: it starts a command, and ends all processes that
/// come of it, wherever they went, when the command ends, when it is told to by end_guarded(), when
/// freeway is gone (kill -9 too), and when there are more than `most_processes` (0: any number).
/// SIGTERM is passed on to the command's process group. It ends as the command did.
std::vector<std::string> guard_command(const std::vector<std::string>& command, int most_processes);

/// On this descriptor a guard tells whoever started it the command's process id; or, negative, why
/// it could not be run (errno). It is at its end once that is decided.
inline constexpr int kGuardReport = 3;

/// Has a guard end all that it guards at once, and itself.
void end_guarded(pid_t guard);

/// What main() does first: where the arguments are a guard's, guards and returns the exit status.
std::optional<int> run_guard(int argc, char** argv);

}  // namespace device
