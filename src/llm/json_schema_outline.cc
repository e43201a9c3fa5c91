#include "llm/json_schema_outline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

namespace llm {
namespace {

namespace json = boost::json;
using std::string_view;

constexpr std::size_t kMostSchemas = 5'000;
constexpr std::size_t kDeepest = 100;

/// Keywords whose value is one schema (or, `items`, also a list of them), a list of schemas,
/// a map of schemas; and whether they look at the same value as the schema around them.
enum class Holds { one, list, map };
struct Keyword {
    string_view name;
    Holds holds;
    bool in_place;
};
constexpr auto kKeywords = std::to_array<Keyword>({
    {"allOf", Holds::list, true},
    {"anyOf", Holds::list, true},
    {"oneOf", Holds::list, true},
    {"not", Holds::one, true},
    {"if", Holds::one, true},
    {"then", Holds::one, true},
    {"else", Holds::one, true},
    {"dependencies", Holds::map, true},
    {"items", Holds::one, false},
    {"prefixItems", Holds::list, false},
    {"additionalItems", Holds::one, false},
    {"contains", Holds::one, false},
    {"additionalProperties", Holds::one, false},
    {"propertyNames", Holds::one, false},
    {"properties", Holds::map, false},
    {"patternProperties", Holds::map, false},
    {"$defs", Holds::map, false},
    {"definitions", Holds::map, false},
});

std::string token(string_view key) {
    std::string out;
    for (char c : key) {
        if (c == '~' || c == '/')
            out += c == '~' ? "~0" : "~1";
        else
            out += c;
    }
    return out;
}

std::unexpected<base::Error> refuse(string_view pointer, string_view what) {
    return base::fail(base::ErrorKind::bad_input,
                      fmt::format("at `{}`: {}", pointer.empty() ? "/" : pointer, what));
}

/// The pointer in a `$ref` such as "#/$defs/item"; nullopt: it names something else.
std::optional<std::string> local_pointer(string_view reference) {
    if (reference == "#") return std::string();
    if (!reference.starts_with("#/")) return std::nullopt;
    std::string out;
    for (std::size_t i = 1; i < reference.size(); ++i) {
        unsigned code = 0;
        if (reference[i] == '%' && i + 2 < reference.size() &&
            std::sscanf(std::string(reference.substr(i + 1, 2)).c_str(), "%2x", &code) == 1) {
            out += static_cast<char>(code);
            i += 2;
        } else {
            out += reference[i];
        }
    }
    return out;
}

/// Every schema in a document, by its pointer, and where it leads without going into the value.
class Outline {
public:
    explicit Outline(const json::value& root) : root_(root) {}

    base::Result<void> read() {
        pending_.emplace_back("", 0);
        while (!pending_.empty()) {
            auto [pointer, depth] = std::move(pending_.back());
            pending_.pop_back();
            if (schemas_.contains(pointer)) continue;
            if (schemas_.size() >= kMostSchemas)
                return refuse(pointer, fmt::format("more than {} schemas", kMostSchemas));
            if (auto good = visit(pointer, depth); !good) return good;
        }
        for (const auto& [pointer, leads] : schemas_)
            if (circles(pointer))
                return refuse(pointer, "it refers to itself without going into the value");
        return {};
    }

    std::vector<std::string> pointers() const {
        std::vector<std::string> out;
        for (const auto& [pointer, leads] : schemas_) out.push_back(pointer);
        std::ranges::sort(out, std::ranges::greater(), &std::string::size);
        return out;
    }
    const std::set<std::string>& names() const { return names_; }
    bool has_pattern_properties() const { return pattern_properties_; }

private:
    base::Result<void> visit(const std::string& pointer, std::size_t depth);
    base::Result<void> reference(const std::string& pointer, const json::value& to,
                                 std::size_t depth);
    base::Result<void> children(const std::string& pointer, const Keyword& keyword,
                                const json::value& value, std::size_t depth);
    bool circles(const std::string& start);

    void lead(const std::string& from, const Keyword& keyword, std::string to, std::size_t depth) {
        if (keyword.in_place) schemas_[from].push_back(to);
        pending_.emplace_back(std::move(to), depth + 1);
    }

    const json::value& root_;
    std::map<std::string, std::vector<std::string>> schemas_;
    std::set<std::string> names_;
    std::set<std::string> harmless_;
    std::vector<std::pair<std::string, std::size_t>> pending_;
    bool pattern_properties_ = false;
};

base::Result<void> Outline::visit(const std::string& pointer, std::size_t depth) {
    schemas_[pointer];
    if (depth > kDeepest) return refuse(pointer, "schemas nest too deep");
    const json::value* schema = &root_;
    if (!pointer.empty()) {
        json::error_code missing;
        schema = root_.find_pointer(pointer, missing);
    }
    if (!schema) return refuse(pointer, "a $ref leads here, but nothing is here");
    if (schema->is_bool()) return {};
    if (!schema->is_object()) return refuse(pointer, "a schema is an object, true or false");
    const json::object& members = schema->get_object();
    if (const json::value* to = members.if_contains("$ref")) return reference(pointer, *to, depth);
    for (const Keyword& keyword : kKeywords)
        if (const json::value* value = members.if_contains(keyword.name))
            if (auto good = children(pointer, keyword, *value, depth); !good) return good;
    return {};
}

base::Result<void> Outline::reference(const std::string& pointer, const json::value& to,
                                      std::size_t depth) {
    auto target = to.is_string() ? local_pointer(to.get_string()) : std::nullopt;
    if (!target)
        return refuse(pointer,
                      "$ref must be a pointer into this schema, such as \"#/$defs/item\": nothing "
                      "is fetched");
    schemas_[pointer].push_back(*target);
    pending_.emplace_back(*std::move(target), depth);
    return {};
}

base::Result<void> Outline::children(const std::string& pointer, const Keyword& keyword,
                                     const json::value& value, std::size_t depth) {
    const std::string place = fmt::format("{}/{}", pointer, token(keyword.name));
    const bool list = value.is_array() && (keyword.holds == Holds::list || keyword.name == "items");
    if (list) {
        for (std::size_t i = 0; i < value.get_array().size(); ++i)
            lead(pointer, keyword, fmt::format("{}/{}", place, i), depth);
    } else if (keyword.holds == Holds::list) {
        return refuse(place, "it must be a list of schemas");
    } else if (keyword.holds == Holds::one) {
        lead(pointer, keyword, place, depth);
    } else if (!value.is_object()) {
        return refuse(place, "it must be an object of schemas");
    } else {
        pattern_properties_ = pattern_properties_ || keyword.name == "patternProperties";
        for (const auto& member : value.get_object()) {
            if (keyword.name == "properties") names_.emplace(member.key());
            if (keyword.name == "dependencies" && member.value().is_array()) continue;
            lead(pointer, keyword, fmt::format("{}/{}", place, token(member.key())), depth);
        }
    }
    return {};
}

/// Whether a walk from `start` along what looks at the same value comes back to a place that
/// it is still in. Places found harmless are not walked again.
bool Outline::circles(const std::string& start) {
    std::set<std::string> inside;
    std::vector<std::pair<std::string, std::size_t>> walk{{start, 0}};
    inside.insert(start);
    while (!walk.empty()) {
        auto& [place, next] = walk.back();
        const std::vector<std::string>& leads = schemas_[place];
        if (next == leads.size()) {
            harmless_.insert(place);
            inside.erase(place);
            walk.pop_back();
            continue;
        }
        const std::string& to = leads[next++];
        if (inside.contains(to)) return true;
        if (harmless_.contains(to)) continue;
        inside.insert(to);
        walk.emplace_back(to, 0);
    }
    return false;
}

/// Draft 7 has `items` for a list of schemas and `additionalItems` for the rest.
void write_as_draft_7(json::object& schema) {
    for (const char* key : {"id", "$id", "$schema", "format"}) schema.erase(key);
    json::value* prefix = schema.if_contains("prefixItems");
    if (!prefix) return;
    json::value list = std::move(*prefix);
    schema.erase("prefixItems");
    if (json::value* rest = schema.if_contains("items"))
        schema["additionalItems"] = json::value(*rest);
    schema["items"] = std::move(list);
}

/// Where `patternProperties` are left out, nothing may be refused for want of them: what could
/// turn a wider schema into a narrower one goes as well.
void leave_out_pattern_properties(json::object& schema) {
    if (schema.erase("patternProperties")) schema.erase("additionalProperties");
    for (const char* key : {"not", "if", "then", "else"}) schema.erase(key);
    json::value* one_of = schema.if_contains("oneOf");
    if (!one_of) return;
    json::array any = std::move(one_of->get_array());
    schema.erase("oneOf");
    json::object wider;
    wider["anyOf"] = std::move(any);
    json::value& all = schema["allOf"];
    if (!all.is_array()) all.emplace_array();
    all.get_array().emplace_back(std::move(wider));
}

/// `integer` means any number without a fraction, however it is written and however large: it
/// becomes `number`, beside our keyword. True: it is to stand there.
bool widen_integer(json::object& schema) {
    json::value* type = schema.if_contains("type");
    if (!type) return false;
    if (*type == json::value("integer")) {
        *type = "number";
        return true;
    }
    if (!type->is_array()) return false;
    json::array& types = type->get_array();
    auto integer = std::ranges::find(types, json::value("integer"));
    if (integer == types.end() || std::ranges::find(types, json::value("number")) != types.end())
        return false;
    *integer = "number";
    return true;
}

/// Our own keywords stand in `allOf`, which is looked at before everything else.
void add_own(json::object& schema) {
    std::int64_t cost = 1 + static_cast<std::int64_t>(schema.size());
    for (const char* key : {"enum", "required", "properties"})
        if (const json::value* value = schema.if_contains(key))
            cost += static_cast<std::int64_t>(value->is_array()    ? value->get_array().size()
                                              : value->is_object() ? value->get_object().size()
                                                                   : 0);
    json::object steps;
    steps[kStepsKeyword] = cost;
    if (schema.contains("uniqueItems")) steps[kUniqueKeyword] = true;
    if (widen_integer(schema)) steps[kIntegerKeyword] = true;
    for (auto [theirs, ours] :
         {std::pair("pattern", kPatternKeyword), std::pair("multipleOf", kMultipleKeyword)}) {
        json::value* rule = schema.if_contains(theirs);
        if (!rule) continue;
        steps[ours] = std::move(*rule);
        schema.erase(theirs);
    }
    json::value& all = schema["allOf"];
    if (!all.is_array()) all.emplace_array();
    all.get_array().emplace_back(std::move(steps));
}

}  // namespace

base::Result<void> prepare_schema(json::value& schema, std::set<std::string>& names) {
    Outline outline(schema);
    if (auto good = outline.read(); !good) return good;
    names = outline.names();
    for (const std::string& pointer : outline.pointers()) {
        json::error_code missing;
        json::value* found = pointer.empty() ? &schema : schema.find_pointer(pointer, missing);
        if (!found || !found->is_object() || found->get_object().contains("$ref")) continue;
        json::object& object = found->get_object();
        write_as_draft_7(object);
        if (outline.has_pattern_properties()) leave_out_pattern_properties(object);
        add_own(object);
    }
    return {};
}

}  // namespace llm
