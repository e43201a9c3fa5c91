#pragma once

#include "config/load.h"
#include "config/value.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// `os.environ/NAME` -> NAME; empty for any other text.
std::string_view variable_in(std::string_view text);

/// Where `name` is set, with its value as text: a line of .env, else `environment`, which is that
/// of the process. What is set nowhere would stand in .env.
Value place_of(const Environment& env, std::string_view name);

/// The environment, with a file's own `environment_variables` over it as in LiteLLM.
class Variables {
public:
    explicit Variables(const Environment& env) : env_(env) {}

    /// `value` says where the file defines it.
    void define(std::string name, Value value) { own_[std::move(name)] = std::move(value); }
    /// Empty when unset or empty.
    std::string_view get(std::string_view name) const;
    /// Its value and where it is set.
    Value place(std::string_view name) const;

    /// Replaces every `os.environ/NAME` in `value`, also inside lists, by the
    /// variable's value with the place where it is set. One that is not set becomes null, and its
    /// place goes to `missing` as a scalar with the variable's name.
    void resolve(Value& value, std::vector<Value>& missing) const;

    const Environment& environment() const { return env_; }

private:
    const Environment& env_;
    std::map<std::string, Value, std::less<>> own_;
};

}  // namespace config
