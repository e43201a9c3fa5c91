#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace base {

/// A file that this process may execute.
bool is_program(const std::filesystem::path& path);

/// `word` in one of the folders of PATH; those that are not absolute don't count.
std::optional<std::string> program_on_path(const std::string& word);

/// A name on the PATH, or a path, as an absolute path.
std::optional<std::string> find_program(const std::string& word);

}  // namespace base
