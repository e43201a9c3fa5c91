#include "config/findings.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace config {
namespace {

Diagnostic at_place(Severity severity, const Value& at, std::string text) {
    if (!at.variable.empty() && !text.contains(at.variable))
        text += fmt::format(" (it comes from {})", at.variable);
    return {severity, at.file ? *at.file : "", at.line, std::move(text)};
}

std::string_view kind_name(const Value& value) {
    switch (value.kind) {
        case Value::Kind::null: return "nothing";
        case Value::Kind::scalar: return "a plain value";
        case Value::Kind::list: return "a list";
        case Value::Kind::map: return "a mapping";
    }
    return "";
}

void wrong_type(const Value& value, std::string_view name, std::string_view wanted,
                Findings& findings) {
    std::string got = value.is_scalar() ? fmt::format("`{}`", value.text.substr(0, 40))
                                        : std::string(kind_name(value));
    findings.error(value, fmt::format("`{}` must be {}, but is {}", name, wanted, got));
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

/// Whether the end of `list`, which is about one place, holds it already.
bool told(const std::vector<Diagnostic>& list, const Diagnostic& one) {
    for (auto at = list.rbegin(); at != list.rend(); ++at) {
        if (at->file != one.file || at->line != one.line) return false;
        if (*at == one) return true;
    }
    return false;
}

}  // namespace

std::string Diagnostic::str() const {
    return fmt::format("{}:{}: {}: {}", file, line,
                       severity == Severity::error ? "error" : "warning", text);
}

bool Loaded::ok() const {
    return std::ranges::none_of(
        diagnostics, [](const Diagnostic& one) { return one.severity == Severity::error; });
}

void Findings::error(const Value& at, std::string text) {
    list_.push_back(at_place(Severity::error, at, std::move(text)));
}

void Findings::warning(const Value& at, std::string text) {
    list_.push_back(at_place(Severity::warning, at, std::move(text)));
}

void Findings::add(const std::vector<Diagnostic>& more) {
    list_.insert(list_.end(), more.begin(), more.end());
}

std::vector<Diagnostic> Findings::sorted() const {
    std::vector<std::string> files;
    for (const Diagnostic& one : list_) {
        if (std::ranges::find(files, one.file) == files.end()) files.push_back(one.file);
    }
    std::vector<std::tuple<std::ptrdiff_t, int, std::size_t>> order;
    for (std::size_t i = 0; i < list_.size(); ++i) {
        auto file = std::ranges::find(files, list_[i].file) - files.begin();
        order.emplace_back(file, list_[i].line, i);
    }
    std::ranges::sort(order);
    std::vector<Diagnostic> sorted;
    for (const auto& [file, line, i] : order)
        if (!told(sorted, list_[i])) sorted.push_back(list_[i]);
    return sorted;
}

std::optional<std::string> text_of(const Value& map, std::string_view name, Findings& findings) {
    const Value* value = map.find(name);
    if (!value) return std::nullopt;
    if (value->is_scalar()) return value->text;
    wrong_type(*value, name, "a text", findings);
    return std::nullopt;
}

std::optional<double> number_of(const Value& map, std::string_view name, Findings& findings) {
    const Value* value = map.find(name);
    if (!value) return std::nullopt;
    if (auto number = value->number()) return number;
    wrong_type(*value, name, "a number", findings);
    return std::nullopt;
}

std::optional<bool> boolean_of(const Value& map, std::string_view name, Findings& findings) {
    const Value* value = map.find(name);
    if (!value) return std::nullopt;
    Value bare = *value;
    bare.quoted = false;
    if (auto flag = bare.boolean()) return flag;
    wrong_type(*value, name, "true or false", findings);
    return std::nullopt;
}

std::optional<std::int64_t> integer_of(const Value& map, std::string_view name, std::int64_t low,
                                       std::int64_t high, Findings& findings) {
    const Value* value = map.find(name);
    if (!value) return std::nullopt;
    auto number = value->number();
    if (number && *number == std::floor(*number) && *number >= static_cast<double>(low) &&
        *number <= static_cast<double>(high)) {
        return static_cast<std::int64_t>(*number);
    }
    wrong_type(*value, name, fmt::format("a whole number from {} to {}", low, high), findings);
    return std::nullopt;
}

std::optional<base::Duration> duration_of(const Value& map, std::string_view name,
                                          Findings& findings) {
    const Value* value = map.find(name);
    if (!value) return std::nullopt;
    if (value->is_scalar()) {
        if (auto span = base::parse_duration(value->text)) return span;
    }
    wrong_type(*value, name, "seconds or a duration such as 90s or 5m", findings);
    return std::nullopt;
}

std::vector<std::string> texts_of(const Value& map, std::string_view name, Findings& findings) {
    const Value* value = map.find(name);
    if (!value) return {};
    if (value->is_scalar()) return {value->text};
    std::vector<std::string> texts;
    for (const Value& item : value->items) {
        if (item.is_scalar()) {
            texts.push_back(item.text);
        } else if (!item.is_null()) {
            wrong_type(item, name, "a list of texts", findings);
        }
    }
    if (!value->is_list()) wrong_type(*value, name, "a list of texts", findings);
    return texts;
}

const Value* map_of(const Value& map, std::string_view name, Findings& findings) {
    const Value* value = map.find(name);
    if (!value || value->is_map()) return value;
    wrong_type(*value, name, "a mapping", findings);
    return nullptr;
}

const Value* list_of(const Value& map, std::string_view name, Findings& findings) {
    const Value* value = map.find(name);
    if (!value || value->is_list()) return value;
    wrong_type(*value, name, "a list", findings);
    return nullptr;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
    std::string_view best;
    std::size_t least = 3;
    for (std::string_view candidate : candidates) {
        std::size_t distance = edit_distance(word, candidate);
        if (distance < least && distance * 3 <= candidate.size()) {
            least = distance;
            best = candidate;
        }
    }
    return best.empty() ? "" : fmt::format(" (did you mean `{}`?)", best);
}

}  // namespace config
