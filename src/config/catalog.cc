#include "config/catalog.h"

namespace config {
namespace {

/// What the first `*` of `pattern` stands for in `name`.
std::optional<std::string> match(std::string_view pattern, std::string_view name) {
    std::size_t star = pattern.find('*');
    std::string_view before = pattern.substr(0, star);
    std::string_view after = pattern.substr(star + 1);
    if (name.size() < before.size() + after.size() || !name.starts_with(before) ||
        !name.ends_with(after)) {
        return std::nullopt;
    }
    return std::string(name.substr(before.size(), name.size() - before.size() - after.size()));
}

}  // namespace

std::string_view name(Tier tier) {
    switch (tier) {
        case Tier::free: return "free";
        case Tier::flat: return "flat";
        case Tier::paid: return "paid";
        case Tier::local: return "local";
    }
    return "";
}

std::string_view name(AgentKind kind) {
    switch (kind) {
        case AgentKind::none: return "none";
        case AgentKind::claudebox: return "claudebox";
        case AgentKind::pibox: return "pibox";
    }
    return "none";
}

std::string_view name(Mode mode) {
    switch (mode) {
        case Mode::chat: return "chat";
        case Mode::completion: return "completion";
        case Mode::embedding: return "embedding";
        case Mode::rerank: return "rerank";
        case Mode::image_generation: return "image_generation";
        case Mode::audio_transcription: return "audio_transcription";
        case Mode::audio_speech: return "audio_speech";
        case Mode::other: return "other";
    }
    return "";
}

void Catalog::index() {
    by_name_.clear();
    for (std::size_t i = 0; i < aliases.size(); ++i) by_name_.emplace(aliases[i].name, i);
}

const Alias* Catalog::find(std::string_view name, std::string* captured) const {
    if (auto at = by_name_.find(name); at != by_name_.end()) return &aliases[at->second];
    auto other = settings.model_group_alias.find(name);
    if (other != settings.model_group_alias.end()) name = other->second;
    if (auto at = by_name_.find(name); at != by_name_.end()) return &aliases[at->second];
    const Alias* best = nullptr;
    for (const Alias& alias : aliases) {
        if (!alias.wildcard || (best && alias.name.size() <= best->name.size())) continue;
        if (auto star = match(alias.name, name)) {
            best = &alias;
            if (captured) *captured = *star;
        }
    }
    return best;
}

}  // namespace config
