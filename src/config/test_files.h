#pragma once

#include "config/load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace config {

/// A folder of files for one test, removed with it.
class TestFiles {
public:
    TestFiles() {
        std::string name = (std::filesystem::temp_directory_path() / "config_test.XXXXXX").string();
        root_ = ::mkdtemp(name.data());
    }
    ~TestFiles() { std::filesystem::remove_all(root_); }
    TestFiles(const TestFiles&) = delete;
    TestFiles& operator=(const TestFiles&) = delete;

    /// Writes `text` to `name`, making folders, and returns the whole path.
    std::string write(const std::string& name, std::string_view text) const {
        std::filesystem::path path = root_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    std::string root() const { return root_.string(); }

private:
    std::filesystem::path root_;
};

/// The first diagnostic whose text holds `part`, or nullptr.
inline const Diagnostic* about(const std::vector<Diagnostic>& list, std::string_view part) {
    auto at =
        std::ranges::find_if(list, [&](const Diagnostic& one) { return one.text.contains(part); });
    return at == list.end() ? nullptr : &*at;
}

/// All diagnostics as lines, for the message of a failed test.
inline std::string lines(const std::vector<Diagnostic>& list) {
    std::string text;
    for (const Diagnostic& one : list) text += one.str() + "\n";
    return text;
}

inline const Target* target(const Loaded& loaded, std::string_view id) {
    if (!loaded.catalog) return nullptr;
    auto at = std::ranges::find(loaded.catalog->targets, id, &Target::id);
    return at == loaded.catalog->targets.end() ? nullptr : &*at;
}

/// The JSON text of a body member that configuration adds, or "".
inline std::string default_of(const Target& target, std::string_view name) {
    for (const auto& [key, json] : target.defaults) {
        if (key == name) return json;
    }
    return "";
}

}  // namespace config
