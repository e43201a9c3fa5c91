#include "config/device_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace config {
namespace {

constexpr std::array<std::string_view, 2> kUsual = {"cpu", "cuda"};

constexpr std::array<std::string_view, 4> kGpuWords = {"gpu", "nvidia", "vram", "gpu0"};

bool is_usual(std::string_view name) { return std::ranges::find(kUsual, name) != kUsual.end(); }

/// `CUDA` is meant as `cuda`, and so is what others call a GPU; else a name that differs by little.
std::string meant(std::string_view name, const std::vector<std::string_view>& known) {
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower != name && std::ranges::find(known, lower) != known.end())
        return fmt::format(" (did you mean `{}`?)", lower);
    if (std::ranges::find(kGpuWords, lower) != kGpuWords.end()) return " (did you mean `cuda`?)";
    return did_you_mean(name, known);
}

std::string joined(const std::set<std::string, std::less<>>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

void DeviceChecks::look(const Entry& entry, const Target& target) {
    if (target.device.empty()) return;
    used_.insert(target.device);
    const Value* info = entry.value.find("model_info");
    const Value* device = info ? info->find("device") : nullptr;
    const Value* memory = info ? info->find("memory_gb") : nullptr;
    if (device) look_at_name(*device, target);
    if (memory && entry.switched_on) look_at_size(*memory, target);
}

void DeviceChecks::look_at_name(const Value& at, const Target& target) {
    if (is_usual(target.device) || devices_.contains(target.device)) return;
    amiss_ = true;
    std::vector<std::string_view> known(kUsual.begin(), kUsual.end());
    for (const auto& [name, settings] : devices_) known.push_back(name);
    findings_.warning(at, fmt::format("device `{}` is neither cpu, cuda nor a name of "
                                      "devices.yaml{}: {} shares no memory with other models; "
                                      "correct the name, or list it there",
                                      target.device, meant(target.device, known), target.alias));
}

void DeviceChecks::look_at_size(const Value& at, const Target& target) {
    const auto found = devices_.find(target.device);
    if (found == devices_.end() || !found->second.memory) return;
    const double most = static_cast<double>(*found->second.memory) / 1e9;
    if (target.memory_gb <= most) return;
    findings_.warning(at, fmt::format("memory_gb {} of {} is more than the {} that {} has: it is "
                                      "never loaded there; raise memory_gb in devices.yaml, or "
                                      "take it out of the chains",
                                      target.memory_gb, target.alias, most, target.device));
}

void DeviceChecks::report_unused(const Value& root) const {
    const Value* general = root.find("general_settings");
    const Value* devices = general ? general->find("devices") : nullptr;
    if (!devices || amiss_) return;
    for (const Member& member : devices->members) {
        if (member.name.empty() || used_.contains(member.name)) continue;
        Value at = member.value;
        at.line = member.line;
        if (!at.file) at.file = devices->file;
        findings_.warning(
            at, fmt::format("no model is on the device `{}`, models are on: {}; correct the name, "
                            "or name it in model_info.device of a model",
                            member.name, used_.empty() ? "none" : joined(used_)));
    }
}

}  // namespace config
