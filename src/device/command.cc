#include "device/command.h"

#include "base/programs.h"
#include "config/engine_block.h"
#include "device/engine_files.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

namespace device {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Result;

/// The file under one of the roots, as an absolute path.
std::optional<std::string> under_roots(const std::string& word, const Places& places) {
    std::error_code ignored;
    for (const std::string& root : places.roots)
        if (const fs::path path = fs::absolute(fs::path(root) / word, ignored);
            fs::is_regular_file(path, ignored))
            return path.lexically_normal();
    return std::nullopt;
}

/// An engine that is looked for in more places than a plain program.
struct KnownEngine {
    const char* program;
    const char* folder;  ///< below DATA_DIR/engines
    const char* remedy;
};
constexpr KnownEngine kKnownEngines[] = {
    {"llama-server", "llamacpp", "run dev/engine, or set LLAMACPP_SERVER"},
    {"sd-server", "sdcpp", "build stable-diffusion.cpp, or set SD_SERVER"},
    {"whisper-server", "whispercpp", "build whisper.cpp, or set WHISPER_SERVER"},
};

Result<std::string> known_engine(const KnownEngine& engine, const Places& places) {
    const std::string variable(config::engine_variable(engine.program));
    if (const char* chosen = std::getenv(variable.c_str()); chosen && *chosen) {
        if (base::is_program(chosen)) return fs::absolute(chosen);
        return base::fail(ErrorKind::io, variable + " is no program: correct it or unset it");
    }
    if (auto found = base::program_on_path(engine.program)) return *found;
    const fs::path built =
        fs::absolute(places.data_dir) / "engines" / engine.folder / engine.program;
    if (base::is_program(built)) return built;
    return base::fail(ErrorKind::io, std::string("no ") + engine.program + ": " + engine.remedy);
}

Result<std::string> program(const std::string& word, const Places& places) {
    for (const KnownEngine& engine : kKnownEngines)
        if (word == engine.program) return known_engine(engine, places);
    std::optional<std::string> found;
    if (word.find('/') == std::string::npos)
        found = base::program_on_path(word);
    else if (word.starts_with('/'))
        found = word;
    else
        found = under_roots(word, places);
    if (found && base::is_program(*found)) return *found;
    return base::fail(ErrorKind::io,
                      "no program " + word + ": install it or correct the engine's command");
}

Result<std::string> fetched_file(const std::string& url, const EngineSpec& spec,
                                 const Places& places) {
    ModelFile file = model_file(places.data_dir, url, spec.models);
    file.shared = std::ranges::find(spec.sharing, url) != spec.sharing.end();
    const Place place = locate(file);
    if (place.there) return place.path;
    std::error_code ignored;
    return base::fail(ErrorKind::io, fs::path(place.path).filename().string() +
                                         (fs::exists(place.path, ignored)
                                              ? " is here, but not the one of this URL and checksum"
                                              : " is not here yet") +
                                         ": run `freeway pull`");
}

Result<std::string> argument(const std::string& word, const EngineSpec& spec,
                             const Places& places) {
    if (config::is_url(word)) return fetched_file(word, spec, places);
    if (word.empty() || word.starts_with('-') || word.starts_with('/')) return word;
    return under_roots(word, places).value_or(word);
}

void fill(std::string& word, std::string_view name, const std::string& value) {
    for (std::size_t at = word.find(name); at != std::string::npos;
         at = word.find(name, at + value.size()))
        word.replace(at, name.size(), value);
}

}  // namespace

Result<std::string> find_program(const std::string& word) {
    if (auto found = base::find_program(word)) return *found;
    return base::fail(ErrorKind::io, "no program " + word);
}

std::vector<std::string> listening(std::vector<std::string> command, std::uint16_t port) {
    const bool placed = std::ranges::any_of(
        command, [](const std::string& word) { return word.contains("{port}"); });
    if (!placed) command.insert(command.end(), {"--host", "{host}", "--port", "{port}"});
    for (std::string& word : command) {
        fill(word, "{host}", "127.0.0.1");
        fill(word, "{port}", std::to_string(port));
    }
    return command;
}

Result<std::vector<std::string>> resolve_command(const EngineSpec& spec, const Places& places) {
    const std::vector<std::string>& command = spec.command;
    if (command.empty()) return base::fail(ErrorKind::io, "the engine's command is empty");
    std::vector<std::string> resolved;
    resolved.reserve(command.size());
    for (const std::string& word : command) {
        auto made = resolved.empty() ? program(word, places) : argument(word, spec, places);
        if (!made) return std::unexpected(made.error());
        resolved.push_back(std::move(*made));
    }
    return resolved;
}

}  // namespace device
