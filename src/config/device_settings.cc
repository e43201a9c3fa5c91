#include "config/device_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace config {
namespace {

constexpr double kMostGigabytes = 100'000;
constexpr base::Duration kLongestSettle{60'000};
constexpr std::array<std::string_view, 7> kKeys = {"memory_gb", "gpu",      "jobs",  "queue",
                                                   "wait",      "patience", "settle"};

void check_device_keys(const Value& device, Findings& findings) {
    for (const Member& member : device.members) {
        if (std::ranges::find(kKeys, member.name) != kKeys.end()) continue;
        findings.warning(
            member.value,
            fmt::format("unknown key `{}` of a device is not read{}; known are "
                        "memory_gb, gpu, jobs, queue, wait, patience, settle",
                        member.name, did_you_mean(member.name, {kKeys.begin(), kKeys.end()})));
    }
}

void read_memory(const Value& device, DeviceSettings& out, Findings& findings) {
    const auto memory = number_of(device, "memory_gb", findings);
    if (!memory) return;
    if (*memory <= 0 || *memory > kMostGigabytes)
        findings.error(*device.find("memory_gb"),
                       fmt::format("memory_gb must be more than 0 and at most {}", kMostGigabytes));
    else
        out.memory = static_cast<std::uint64_t>(*memory * 1e9);
}

DeviceSettings read_device(std::string_view name, const Value& device, Findings& findings) {
    DeviceSettings out;
    check_device_keys(device, findings);
    if (const Value* gpu = device.find("gpu"); gpu && name == "cpu")
        findings.warning(*gpu,
                         "`gpu` of the device cpu is not read: it is main memory; a GPU is a "
                         "device of another name, such as cuda");
    read_memory(device, out, findings);
    if (auto gpu = integer_of(device, "gpu", 0, 63, findings)) out.gpu = static_cast<int>(*gpu);
    if (auto jobs = integer_of(device, "jobs", 1, 1'000, findings))
        out.jobs = static_cast<int>(*jobs);
    if (auto queue = integer_of(device, "queue", 1, 10'000, findings))
        out.queue = static_cast<std::size_t>(*queue);
    if (auto wait = duration_of(device, "wait", findings)) out.wait = *wait;
    if (auto patience = duration_of(device, "patience", findings)) out.patience = *patience;
    if (auto settle = duration_of(device, "settle", findings))
        out.settle = std::min(*settle, kLongestSettle);
    return out;
}

}  // namespace

std::map<std::string, DeviceSettings, std::less<>> read_device_settings(const Value& general,
                                                                        Findings& findings) {
    std::map<std::string, DeviceSettings, std::less<>> out;
    const Value* devices = map_of(general, "devices", findings);
    if (!devices) return out;
    for (const Member& member : devices->members) {
        if (member.name.empty())
            findings.error(member.value,
                           "a device has no name: write one, such as `cuda: {memory_gb: 24}`");
        else if (member.value.is_map())
            out[member.name] = read_device(member.name, member.value, findings);
        else if (!member.value.is_null())
            findings.error(member.value,
                           fmt::format("device `{}` must be a mapping, such as {{memory_gb: 24}}",
                                       member.name));
    }
    return out;
}

}  // namespace config
