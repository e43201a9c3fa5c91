#pragma once

#include "base/clock.h"
#include "route/benches.h"

#include <string>

namespace app {

/// Keeps the benches that must outlive a restart in one small file. Used on the main
/// thread only: a slow disk holds up no request.
class BenchFile {
public:
    explicit BenchFile(std::string path) : path_(std::move(path)) {}

    /// What an earlier run saved and has not run out. A file that can't be read is said
    /// in the log and taken as empty.
    void restore(route::Benches& benches, base::Now now);
    /// Writes the file if something changed since it was last written.
    void save(const route::Benches& benches, base::Now now);

private:
    std::string path_;
    std::string saved_;
};

}  // namespace app
