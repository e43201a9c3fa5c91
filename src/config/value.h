#pragma once

#include "base/result.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

struct Member;

/// One node of a YAML or JSON file with the place where it stands. A plain
/// value: copied, edited and written out again, never shared with the parser.
struct Value {
    enum class Kind { null, scalar, list, map };
    Kind kind = Kind::null;
    bool quoted = false;          ///< a scalar in quotes: text, whatever it looks like
    std::string text;             ///< of a scalar
    std::vector<Value> items;     ///< of a list
    std::vector<Member> members;  ///< of a map, in the order of the file, names unique
    std::shared_ptr<const std::string> file;
    int line = 0;          ///< 1-based; 0: not from a file
    std::string variable;  ///< whose value `text` is; file and line are then where that is set

    bool is_null() const { return kind == Kind::null; }
    bool is_scalar() const { return kind == Kind::scalar; }
    bool is_list() const { return kind == Kind::list; }
    bool is_map() const { return kind == Kind::map; }

    /// nullptr when there is no such member, or its value is null.
    const Value* find(std::string_view name) const;
    Value* find(std::string_view name);
    /// Adds or replaces a member; a null value becomes a map first.
    Value& set(std::string_view name, Value value);
    void erase(std::string_view name);

    std::optional<bool> boolean() const;   ///< true/false/yes/no/on/off, not in quotes
    std::optional<double> number() const;  ///< also in quotes: environment values are text
    std::string place() const;             ///< "config/providers/groq.yaml:12"

    static Value scalar(std::string text, const Value& at);
    static Value list(const Value& at);
    static Value map(const Value& at);
};

struct Member {
    std::string name;
    int line = 0;
    Value value;
};

/// What could not be read, or was read twice, and where.
struct SyntaxNote {
    int line = 1;
    std::string text;
};

/// Reads one YAML document (JSON is YAML). Anchors and `<<` are resolved; of a
/// repeated name the last one counts, as in LiteLLM, and `repeated` says so. At
/// most 64 levels and 200,000 nodes. An empty document is null.
std::expected<Value, SyntaxNote> parse_yaml(std::string_view text, const std::string& file,
                                            std::vector<SyntaxNote>& repeated);

/// JSON text of a value: `0.2`, `{"a":[1,"x"]}`.
std::string to_json(const Value& value);

/// Block YAML of a value, ending with a newline; equal again after parse_yaml.
std::string to_yaml(const Value& value);

/// Whole file, or what the system says.
base::Result<std::string> read_file(const std::string& path);

}  // namespace config
