#pragma once

#include "device/fetch.h"

#include <chrono>
#include <string>

namespace app {

/// How far a download is: one line that is redrawn on a terminal, a line every ten percent
/// elsewhere. Written to stderr.
class ProgressBar {
public:
    explicit ProgressBar(std::string name);
    void show(device::FetchProgress progress);
    void end() const;

private:
    std::string name_;
    bool terminal_;
    int step_ = -2;
    std::chrono::steady_clock::time_point drawn_;
};

}  // namespace app
