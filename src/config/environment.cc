#include "base/units.h"
#include "config/load.h"
#include "config/value.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>
#include <utility>

extern "C" char** environ;

namespace config {
namespace {

/// What stands after `=`: outer quotes are taken off as they are; without them
/// the text ends at the first `#` that is not its first character.
std::string_view value_of(std::string_view text) {
    text = base::trim(text);
    bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                  text.back() == text.front();
    if (quoted) return text.substr(1, text.size() - 2);
    std::size_t comment = text.find('#', 1);
    return comment == std::string_view::npos ? text : base::trim(text.substr(0, comment));
}

}  // namespace

Environment Environment::read(const std::string& path) {
    Environment env;
    env.file_ = path;
    base::Result<std::string> text_of_file = read_file(path);
    std::error_code error;
    if (!text_of_file && std::filesystem::exists(path, error)) {
        env.problems.push_back(
            {Severity::error, path, 1, "the file can't be read: " + text_of_file.error().detail});
    }
    std::istringstream lines(text_of_file.value_or(""));
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        std::string_view text = base::trim(line);
        if (text.empty() || text.front() == '#') continue;
        std::size_t equals = text.find('=');
        std::string name(base::trim(text.substr(0, equals)));
        if (equals == std::string_view::npos || name.empty()) {
            env.problems.push_back({Severity::warning, path, number,
                                    "this line is not NAME=value and is ignored: write it so, or "
                                    "put # before a comment"});
            continue;
        }
        env.values_[name] = value_of(text.substr(equals + 1));
        if (const int before = std::exchange(env.lines_[name], number); before > 0)
            env.problems.push_back({Severity::warning, path, number,
                                    fmt::format("`{}` is set in line {} already: this line counts, "
                                                "delete one of them",
                                                name, before)});
    }
    for (char** entry = environ; *entry; ++entry) {
        std::string_view text(*entry);
        std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        std::string name(text.substr(0, equals));
        env.values_[name] = text.substr(equals + 1);
        env.lines_.erase(name);
    }
    return env;
}

Environment Environment::of(std::map<std::string, std::string> values) {
    Environment env;
    env.file_ = ".env";
    for (auto& [name, value] : values) env.values_[name] = std::move(value);
    return env;
}

std::string_view Environment::get(std::string_view name) const {
    auto at = values_.find(name);
    return at == values_.end() ? std::string_view() : at->second;
}

int Environment::line(std::string_view name) const {
    auto at = lines_.find(name);
    return at == lines_.end() ? 0 : at->second;
}

}  // namespace config
