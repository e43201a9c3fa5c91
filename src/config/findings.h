#pragma once

#include "base/clock.h"
#include "config/load.h"
#include "config/value.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// Collects diagnostics, each with the place of the value that it is about.
class Findings {
public:
    void error(const Value& at, std::string text);
    void warning(const Value& at, std::string text);
    void add(Diagnostic diagnostic) { list_.push_back(std::move(diagnostic)); }
    void add(const std::vector<Diagnostic>& more);

    /// By file (in the order in which files were first named), then line; equal ones once, as
    /// one variable may be amiss in many entries.
    std::vector<Diagnostic> sorted() const;

private:
    std::vector<Diagnostic> list_;
};

/// Typed access to a member of a map. A wrong type is an error at its place and
/// reads as absent; so does a missing member, silently.
std::optional<std::string> text_of(const Value& map, std::string_view name, Findings& findings);
std::optional<double> number_of(const Value& map, std::string_view name, Findings& findings);
std::optional<bool> boolean_of(const Value& map, std::string_view name, Findings& findings);
/// A whole number within [low, high].
std::optional<std::int64_t> integer_of(const Value& map, std::string_view name, std::int64_t low,
                                       std::int64_t high, Findings& findings);
/// Seconds or a duration (`90`, `1.5`, `5m`), not negative.
std::optional<base::Duration> duration_of(const Value& map, std::string_view name,
                                          Findings& findings);
/// A list of texts, or one text.
std::vector<std::string> texts_of(const Value& map, std::string_view name, Findings& findings);
/// The member as a map or a list.
const Value* map_of(const Value& map, std::string_view name, Findings& findings);
const Value* list_of(const Value& map, std::string_view name, Findings& findings);

/// ` (did you mean `x`?)` for the candidate that differs by at most two letters, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace config
