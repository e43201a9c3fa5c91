#include "config/engine_checks.h"

#include "base/programs.h"
#include "base/units.h"
#include "config/engine_block.h"
#include "config/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace config {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShown = 120;
constexpr std::string_view kModel = "LLAMACPP_MODEL";
constexpr std::string_view kChecksum = "LLAMACPP_MODEL_SHA256";

}  // namespace

void EngineChecks::look(const Entry& entry, const Target& target) {
    if (!target.engine || target.engine->command.empty()) return;
    const std::vector<std::string>& command = target.engine->command;
    programs_.insert(command.front());
    const std::string_view model = env_.get(kModel);
    for (std::size_t i = 1; i < command.size() && !model.empty(); ++i)
        if (command[i] == model && (command[i - 1] == "-m" || command[i - 1] == "--model"))
            runs_own_model_ = true;
    if (target.engine->port != 0) look_at_port(entry, target);
}

/// Of one `exclusive` group one runs at a time, so they may share a port.
void EngineChecks::look_at_port(const Entry& entry, const Target& target) {
    const Engine& engine = *target.engine;
    const Value* info = entry.value.find("model_info");
    const Value* block = info ? info->find("engine") : nullptr;
    const Value* port = block ? block->find("port") : nullptr;
    const Value& at = port ? *port : entry.value;
    const auto [first, last] = ports_.equal_range(engine.port);
    const auto other = std::find_if(first, last, [&](const auto& held) {
        return engine.exclusive.empty() || held.second.exclusive != engine.exclusive;
    });
    if (other != last)
        findings_.error(
            at, fmt::format("port {} of `{}` is the engine port of `{}` ({}) already, "
                            "and only one program can listen there: give it another, "
                            "or leave `port` out for a free one",
                            engine.port, target.alias, other->second.alias, other->second.place));
    ports_.emplace(engine.port, Holder{target.alias, at.place(), engine.exclusive});
}

void EngineChecks::report() {
    for (const std::string& program : programs_) report_program(program);
    if (runs_own_model_) report_model();
}

void EngineChecks::report_program(std::string_view program) {
    const std::string_view variable = engine_variable(program);
    if (variable.empty()) return;
    const std::string chosen(env_.get(variable));
    if (chosen.empty() || base::is_program(chosen)) return;
    findings_.warning(place_of(env_, variable),
                      fmt::format("{} names `{}`, where no program is, so {} can't be started: "
                                  "correct it, or unset it and {} is looked for on the PATH",
                                  variable, base::shown(chosen, kShown), program, program));
}

void EngineChecks::report_model() {
    const Value sum = place_of(env_, kChecksum);
    if (!sum.text.empty() && !is_checksum(sum.text))
        findings_.error(sum, fmt::format("{} must be the file's checksum, 64 hexadecimal digits: "
                                         "no file has any other; correct it or remove it",
                                         kChecksum));
    const Value model = place_of(env_, kModel);
    if (is_url(model.text) || is_there(model.text)) return;
    findings_.warning(model,
                      fmt::format("{} names `{}`, where no file is: correct the path, which counts "
                                  "from the working directory or the configuration's folder, or "
                                  "name a URL",
                                  kModel, base::shown(model.text, kShown)));
}

/// As the engine's command is resolved when it starts.
bool EngineChecks::is_there(const std::string& file) const {
    std::error_code error;
    const fs::path config = fs::absolute(config_, error);
    return std::ranges::any_of(
        std::vector<fs::path>{".", config, config.parent_path()},
        [&](const fs::path& root) { return fs::exists(root / file, error); });
}

}  // namespace config
