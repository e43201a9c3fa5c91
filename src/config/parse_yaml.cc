#include "config/value.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <stdexcept>

namespace config {
namespace {

constexpr int kMaxDepth = 64;
constexpr int kMaxNodes = 200'000;

/// Copies a yaml-cpp tree into Values. Aliased nodes are expanded, which is why
/// depth and size are bounded: `&a [*a]` is legal YAML.
class Copier {
public:
    Copier(const std::string& file, std::vector<SyntaxNote>& repeated)
        : file_(std::make_shared<const std::string>(file)), repeated_(repeated) {}

    Value copy(const YAML::Node& node, int depth) {
        if (depth > kMaxDepth || ++nodes_ > kMaxNodes) {
            throw YAML::Exception(node.Mark(), "nested or repeated too deeply");
        }
        Value value;
        value.file = file_;
        value.line = node.Mark().line + 1;
        if (node.IsScalar()) {
            value.kind = Value::Kind::scalar;
            value.quoted = node.Tag() == "!";
            value.text = node.Scalar();
        } else if (node.IsSequence()) {
            value.kind = Value::Kind::list;
            for (const auto& item : node) value.items.push_back(copy(item, depth + 1));
        } else if (node.IsMap()) {
            value.kind = Value::Kind::map;
            for (const auto& pair : node) add(value, pair.first, copy(pair.second, depth + 1));
            merge(value);
        }
        return value;
    }

private:
    void add(Value& map, const YAML::Node& key, Value value) {
        if (!key.IsScalar()) throw YAML::Exception(key.Mark(), "a name must be a plain word");
        int line = key.Mark().line + 1;
        auto same = std::ranges::find(map.members, key.Scalar(), &Member::name);
        if (same != map.members.end()) {
            repeated_.push_back({line, fmt::format("`{}` stands twice (first on line {}); this one "
                                                   "counts: remove the other",
                                                   key.Scalar(), same->line)});
            map.members.erase(same);
        }
        map.members.push_back({key.Scalar(), line, std::move(value)});
    }

    /// `<<: *defaults`, also a list of them: what stands in the map itself wins.
    void merge(Value& map) {
        auto at = std::ranges::find(map.members, "<<", &Member::name);
        if (at == map.members.end()) return;
        Value from = std::move(at->value);
        map.members.erase(at);
        if (from.is_map()) from.items.push_back(from);
        for (const Value& source : from.items) {
            for (const Member& member : source.members) {
                if (std::ranges::find(map.members, member.name, &Member::name) ==
                    map.members.end()) {
                    map.members.push_back(member);
                }
            }
        }
    }

    std::shared_ptr<const std::string> file_;
    std::vector<SyntaxNote>& repeated_;
    int nodes_ = 0;
};

}  // namespace

std::expected<Value, SyntaxNote> parse_yaml(std::string_view text, const std::string& file,
                                            std::vector<SyntaxNote>& repeated) {
    try {
        return Copier(file, repeated).copy(YAML::Load(std::string(text)), 0);
    } catch (const YAML::Exception& error) {
        return std::unexpected(
            SyntaxNote{error.mark.is_null() ? 1 : error.mark.line + 1, error.msg});
    } catch (const std::exception& error) {
        return std::unexpected(SyntaxNote{1, error.what()});
    }
}

}  // namespace config
