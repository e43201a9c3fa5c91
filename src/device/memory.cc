#include "device/memory.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace device {
namespace {

std::optional<std::string> text_of(const std::string& path) {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> number_at(const std::string& path) {
    const auto text = text_of(path);
    return text ? number_in(*text) : std::nullopt;
}

/// `MemTotal:       16384 kB`
std::optional<std::uint64_t> meminfo(std::string_view text, std::string_view key) {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + key.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto kilobytes = number_in(text);
    if (!kilobytes) return std::nullopt;
    return *kilobytes * 1024;
}

/// What the group holds in files can be given up at once.
std::uint64_t group_use(const std::string& current, const std::string& stat,
                        std::string_view file_key) {
    const std::uint64_t used = number_at(current).value_or(0);
    const auto text = text_of(stat);
    const std::size_t at = text ? text->find(file_key) : std::string::npos;
    const std::uint64_t files =
        at == std::string::npos
            ? 0
            : number_in(std::string_view(*text).substr(at + file_key.size())).value_or(0);
    return used - std::min(used, files);
}

std::optional<MemoryReading> group_memory(const std::string& root) {
    const std::string v2 = root + "/sys/fs/cgroup/";
    if (const auto limit = number_at(v2 + "memory.max"))
        return MemoryReading{
            *limit, group_use(v2 + "memory.current", v2 + "memory.stat", "\ninactive_file ")};
    const std::string v1 = root + "/sys/fs/cgroup/memory/";
    if (const auto limit = number_at(v1 + "memory.limit_in_bytes"))
        return MemoryReading{*limit, group_use(v1 + "memory.usage_in_bytes", v1 + "memory.stat",
                                               "\ntotal_inactive_file ")};
    return std::nullopt;
}

std::uint64_t resident(int pid) {
    const auto text = text_of("/proc/" + std::to_string(pid) + "/statm");
    const std::size_t space = text ? text->find(' ') : std::string::npos;
    if (space == std::string::npos) return 0;
    return number_in(std::string_view(*text).substr(space + 1)).value_or(0) *
           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Of pages that several processes share, each has its part. Slow to read for the kernel.
std::optional<std::uint64_t> own_part(int pid) {
    const auto text = text_of("/proc/" + std::to_string(pid) + "/smaps_rollup");
    return text ? meminfo(*text, "\nPss:") : std::nullopt;
}

}  // namespace

std::optional<MemoryReading> main_memory(const std::string& root) {
    const auto info = text_of(root + "/proc/meminfo");
    if (!info) return std::nullopt;
    const auto total = meminfo(*info, "MemTotal:");
    const auto available = meminfo(*info, "MemAvailable:");
    if (!total || !available) return std::nullopt;
    const MemoryReading whole{*total, *total - std::min(*total, *available)};
    const auto group = group_memory(root);
    return group && group->total < whole.total ? *group : whole;
}

std::uint64_t resident_bytes(std::span<const int> pids) {
    std::uint64_t sum = 0;
    for (const int pid : pids)
        sum += pids.size() > 1 ? own_part(pid).value_or(resident(pid)) : resident(pid);
    return sum;
}

/// The few calls that are used, as nvml.h declares them.
struct Nvml::Library {
    struct Memory {
        unsigned long long total, free, used;
    };
    using Handle = void*;
    void* file = nullptr;
    int (*by_index)(unsigned, Handle*) = nullptr;
    int (*memory_info)(Handle, Memory*) = nullptr;
    struct Process {
        unsigned pid;
        unsigned long long used;
        unsigned instance;
        unsigned compute_instance;
    };
    int (*shut_down)() = nullptr;
    int (*processes)(Handle, unsigned*, Process*) = nullptr;  ///< older drivers have none

    ~Library() {
        if (shut_down) shut_down();
        if (file) ::dlclose(file);
    }
    template <class Function>
    bool find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(file, name));
        return function != nullptr;
    }
};

Nvml::Nvml() {
    const char* const other = std::getenv("FREEWAY_NVML");
    auto library = std::make_unique<Library>();
    library->file = ::dlopen(other ? other : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*init)() = nullptr;
    if (!library->file || !library->find(init, "nvmlInit_v2") || init() != 0) return;
    if (library->find(library->shut_down, "nvmlShutdown") &&
        library->find(library->by_index, "nvmlDeviceGetHandleByIndex_v2") &&
        library->find(library->memory_info, "nvmlDeviceGetMemoryInfo")) {
        library->find(library->processes, "nvmlDeviceGetComputeRunningProcesses_v3");
        library_ = std::move(library);
    }
}

Nvml::~Nvml() = default;

std::uint64_t Nvml::held_by(int gpu, std::span<const int> pids) const {
    constexpr unsigned kMost = 256;
    constexpr auto kUnknown = ~0ULL;  // in a container, or of another user
    Library::Handle handle = nullptr;
    if (!library_ || !library_->processes ||
        library_->by_index(static_cast<unsigned>(gpu), &handle) != 0)
        return 0;
    std::array<Library::Process, kMost> list{};
    unsigned count = kMost;
    if (library_->processes(handle, &count, list.data()) != 0) return 0;
    std::uint64_t sum = 0;
    for (const Library::Process& one : std::span(list).first(std::min(count, kMost)))
        if (std::ranges::count(pids, static_cast<int>(one.pid)) > 0 && one.used != kUnknown)
            sum += one.used;
    return sum;
}

std::optional<MemoryReading> Nvml::memory(int gpu) const {
    Library::Handle handle = nullptr;
    Library::Memory info{};
    if (!library_ || library_->by_index(static_cast<unsigned>(gpu), &handle) != 0 ||
        library_->memory_info(handle, &info) != 0)
        return std::nullopt;
    return MemoryReading{info.total, info.used};
}

}  // namespace device
