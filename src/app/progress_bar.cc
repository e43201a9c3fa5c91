#include "app/progress_bar.h"

#include "base/pulls.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

namespace app {

namespace {
constexpr int kWidth = 30;
}  // namespace

ProgressBar::ProgressBar(std::string name)
    : name_(std::move(name)), terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(device::FetchProgress progress) {
    const int percent = progress.total && *progress.total > 0
                            ? static_cast<int>(progress.done * 100 / *progress.total)
                            : -1;
    const auto now = std::chrono::steady_clock::now();
    const bool whole = progress.total && progress.done == *progress.total;
    if (terminal_ ? !whole && now - drawn_ < std::chrono::milliseconds(100) : percent / 10 == step_)
        return;
    drawn_ = now;
    step_ = percent / 10;
    const char* const begin = terminal_ ? "\r" : "";
    const char* const end = terminal_ ? "" : "\n";
    if (percent < 0) {
        fmt::print(stderr, "{}{}: {}{}", begin, name_, base::human_bytes(progress.done), end);
        return;
    }
    const int filled = percent * kWidth / 100;
    fmt::print(stderr, "{}{} [{}{}] {:3}% of {}{}", begin, name_,
               std::string(static_cast<std::size_t>(filled), '#'),
               std::string(static_cast<std::size_t>(kWidth - filled), '.'), percent,
               base::human_bytes(*progress.total), end);
}

void ProgressBar::end() const {
    if (terminal_) fmt::print(stderr, "\n");
}

}  // namespace app
