#include "device/disk_room.h"

#include <fmt/format.h>

#include <filesystem>

#include <sys/statvfs.h>

namespace device {

base::Result<void> disk_room(const std::string& path, std::string_view what, std::uint64_t bytes) {
    std::error_code error;
    std::filesystem::path there = std::filesystem::absolute(path, error);
    while (!error && !std::filesystem::exists(there, error) && there.has_relative_path())
        there = there.parent_path();
    struct statvfs disk{};
    if (error || ::statvfs(there.c_str(), &disk) != 0) return {};
    const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (free >= bytes) return {};
    const auto megabytes = [](std::uint64_t n) { return (n + 999'999) / 1'000'000; };
    return base::fail(base::ErrorKind::io,
                      fmt::format("not enough disk space for {}: {} MB are needed, {} MB are free",
                                  what, megabytes(bytes), megabytes(free)));
}

}  // namespace device
