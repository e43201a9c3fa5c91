#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace device {

/// Bytes of a device.
struct MemoryReading {
    std::uint64_t total = 0;
    std::uint64_t used = 0;
};

/// Main memory: the tighter of /proc/meminfo and this process's control group (v2 or v1).
/// `root` stands before /proc and /sys. nullopt: neither can be read.
std::optional<MemoryReading> main_memory(const std::string& root = "");

/// Resident bytes of some processes together; those that are gone have none. What several of them
/// share is counted once.
std::uint64_t resident_bytes(std::span<const int> pids);

/// NVIDIA's management library, opened at run time: without it, or without a GPU, there is simply
/// nothing to read. FREEWAY_NVML names another file.
class Nvml {
public:
    Nvml();
    ~Nvml();
    Nvml(const Nvml&) = delete;
    Nvml& operator=(const Nvml&) = delete;

    std::optional<MemoryReading> memory(int gpu) const;
    /// What some processes hold on it together; 0: nothing, or the driver does not tell.
    std::uint64_t held_by(int gpu, std::span<const int> pids) const;

private:
    struct Library;
    std::unique_ptr<Library> library_;  ///< null: there is none
};

}  // namespace device
