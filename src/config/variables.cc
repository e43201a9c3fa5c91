#include "config/variables.h"

namespace config {

std::string_view variable_in(std::string_view text) {
    constexpr std::string_view kPrefix = "os.environ/";
    return text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : std::string_view();
}

std::string_view Variables::get(std::string_view name) const {
    auto at = own_.find(name);
    return at == own_.end() ? env_.get(name) : std::string_view(at->second);
}

void Variables::resolve(Value& value, std::vector<Value>& missing) const {
    for (Value& item : value.items) resolve(item, missing);
    for (Member& member : value.members) resolve(member.value, missing);
    if (!value.is_scalar()) return;
    std::string_view name = variable_in(value.text);
    if (name.empty()) return;
    std::string_view found = get(name);
    if (!found.empty()) {
        value.text = std::string(found);
        return;
    }
    missing.push_back(Value::scalar(std::string(name), value));
    value.kind = Value::Kind::null;
}

}  // namespace config
