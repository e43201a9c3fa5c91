#pragma once

#include "base/result.h"

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

/// A configured command as it is run: the program as a path, file arguments that exist
/// under one of the roots as absolute paths, model URLs as the files they were fetched to.
/// `llama-server` is LLAMACPP_SERVER, the one on PATH, or the one under DATA_DIR/engines.
/// Errors: io, saying what to do.
base::Result<std::vector<std::string>> resolve_command(const std::vector<std::string>& command,
                                                       const Places& places);

}  // namespace device
