#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace device {

/// What a child is given of a variable of ours (NAME=VALUE): URLs lose their user and password.
/// nullopt: nothing, its name tells of a secret.
std::optional<std::string> handed_on(std::string_view variable);

/// The same of this process's whole environment.
std::vector<std::string> child_environment();

}  // namespace device
