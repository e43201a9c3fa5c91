#include "config/model_url_checks.h"

#include "config/engine_block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace config {
namespace {

/// Where a word of the engine's command stands: its own line, where the words are a list.
const Value& place_of(const Entry& entry, std::size_t word) {
    const Value* at = &entry.value;
    for (const std::string_view name : {"model_info", "engine", "command"})
        if (const Value* inner = at->find(name)) at = inner;
    return at->is_list() && word < at->items.size() ? at->items[word] : *at;
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

}  // namespace

void ModelUrlChecks::look(const Entry& entry, const Target& target) {
    if (!target.engine || !entry.switched_on) return;
    constexpr std::string_view kMark = "#sha256=";
    const std::vector<std::string>& command = target.engine->command;
    for (std::size_t i = 0; i < command.size(); ++i) {
        const std::size_t mark = command[i].find(kMark);
        if (!is_url(command[i]) || mark == std::string::npos) continue;
        const std::string sha256 = lower(command[i].substr(mark + kMark.size()));
        const auto [known, added] =
            first_.try_emplace(command[i].substr(0, mark), First{sha256, target.alias});
        if (known->second.sha256 == sha256) continue;
        findings_.error(place_of(entry, i),
                        fmt::format("`#sha256=` of the URL says {}… for {}, and {}… for {}: a file "
                                    "has one checksum; correct one of them",
                                    known->second.sha256.substr(0, 8), known->second.alias,
                                    sha256.substr(0, 8), target.alias));
    }
}

}  // namespace config
