#pragma once

#include <optional>
#include <string>
#include <vector>

namespace device {

/// The command that runs `command` under a guard, which is this program itself: it ends all
/// processes that come of the command, wherever they went, when the command ends, when freeway
/// asks for it or is gone (kill -9 too), and when there are more than `most_processes`.
std::vector<std::string> guard_command(const std::vector<std::string>& command, int most_processes);

/// What main() does first: where the arguments are a guard's, guards and returns the exit status.
std::optional<int> run_guard(int argc, char** argv);

}  // namespace device
