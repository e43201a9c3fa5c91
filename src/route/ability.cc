#include "route/ability.h"

namespace route {
namespace {

const base::ModelFacts* facts_of(const config::Target& target, const base::FactTable* facts) {
    if (!facts) return nullptr;
    const auto found = facts->find(target.id);
    return found == facts->end() ? nullptr : &found->second;
}

}  // namespace

const base::ModelFacts* learned(const config::Target& target, const base::FactTable* facts) {
    return target.capabilities.stated ? nullptr : facts_of(target, facts);
}

config::Capabilities ability(const config::Target& target, const base::FactTable* facts) {
    config::Capabilities can = target.capabilities;
    const base::ModelFacts* const said = learned(target, facts);
    if (!said) return can;
    can.stated = can.audio_input = can.documents = can.json_schema = true;
    can.tools = said->tools;
    can.vision = said->vision;
    can.reasoning = said->thinking;
    can.reasoning_stated = true;
    return can;
}

std::optional<std::uint64_t> window(const config::Target& target, const base::FactTable* facts) {
    if (target.max_input_tokens) return target.max_input_tokens;
    const base::ModelFacts* const said = facts_of(target, facts);
    return said ? said->context : std::nullopt;
}

}  // namespace route
