#include "config/variables.h"

#include <algorithm>

namespace config {

std::string_view variable_in(std::string_view text) {
    constexpr std::string_view kPrefix = "os.environ/";
    return text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : std::string_view();
}

Value place_of(const Environment& env, std::string_view name) {
    Value value;
    value.kind = Value::Kind::scalar;
    value.text = env.get(name);
    value.line = env.line(name);
    const bool of_process = value.line == 0 && !value.text.empty();
    value.file = std::make_shared<const std::string>(of_process ? "environment" : env.file());
    if (!of_process) value.line = std::max(1, value.line);
    value.variable = name;
    return value;
}

std::string_view Variables::get(std::string_view name) const {
    auto at = own_.find(name);
    return at == own_.end() ? env_.get(name) : std::string_view(at->second.text);
}

Value Variables::place(std::string_view name) const {
    auto at = own_.find(name);
    if (at == own_.end()) return place_of(env_, name);
    Value value = at->second;
    value.variable = name;
    return value;
}

void Variables::resolve(Value& value, std::vector<Value>& missing) const {
    for (Value& item : value.items) resolve(item, missing);
    for (Member& member : value.members) resolve(member.value, missing);
    if (!value.is_scalar()) return;
    std::string_view name = variable_in(value.text);
    if (name.empty()) return;
    if (!get(name).empty()) {
        Value found = place(name);
        found.quoted = value.quoted;
        value = std::move(found);
        return;
    }
    missing.push_back(Value::scalar(std::string(name), value));
    value.kind = Value::Kind::null;
}

}  // namespace config
