#pragma once

#include "base/result.h"
#include "device/engine_spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace device {

/// Where programs, models and relative paths are looked for.
struct Places {
    std::string data_dir;
    std::vector<std::string> roots;
};

/// A program by its name on the PATH or by its path, as an absolute path. io: there is none.
base::Result<std::string> find_program(const std::string& word);

/// An engine's command as it is run: the program as a path, file arguments that exist under one of
/// the roots as absolute paths, model URLs as the files they were fetched to. `llama-server`,
/// `sd-server` and `whisper-server` are what LLAMACPP_SERVER, SD_SERVER and WHISPER_SERVER name,
/// the one on PATH, or the one under DATA_DIR/engines. Errors: io, saying what to do.
base::Result<std::vector<std::string>> resolve_command(const EngineSpec& spec,
                                                       const Places& places);

/// The command that makes it listen on `port` of this machine alone: `{host}` and `{port}` are
/// filled in; where no word holds `{port}`, `--host 127.0.0.1 --port N` stands at its end.
std::vector<std::string> listening(std::vector<std::string> command, std::uint16_t port);

}  // namespace device
