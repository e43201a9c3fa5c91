#include "base/programs.h"

#include <cstdlib>
#include <string_view>

#include <unistd.h>

namespace base {

namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

std::optional<std::string> program_on_path(const std::string& word) {
    const char* variable = std::getenv("PATH");
    std::string_view rest = variable ? variable : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const std::string_view folder = rest.substr(0, colon);
        rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
        if (folder.starts_with('/') && is_program(fs::path(folder) / word))
            return fs::path(folder) / word;
    }
    return std::nullopt;
}

std::optional<std::string> find_program(const std::string& word) {
    if (word.find('/') == std::string::npos) return program_on_path(word);
    const fs::path path = fs::absolute(word);
    return is_program(path) ? std::optional<std::string>(path) : std::nullopt;
}

}  // namespace base
