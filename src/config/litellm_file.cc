#include "config/document.h"
#include "config/known_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace config {
namespace {

constexpr int kMaxIncludes = 8;

/// LiteLLM appends lists and lets other keys of an included file replace.
void merge(Value& root, const Value& more) {
    for (const Member& member : more.members) {
        Value* mine = root.find(member.name);
        if (mine && mine->is_list() && member.value.is_list()) {
            mine->items.insert(mine->items.end(), member.value.items.begin(),
                               member.value.items.end());
        } else {
            root.set(member.name, member.value);
        }
    }
}

void include(Value& root, const std::string& path, int depth, Document& document,
             Findings& findings);

Value read_with_includes(const std::string& path, int depth, Document& document,
                         Findings& findings) {
    Value root = read_document_file(path, document, findings);
    if (root.is_null()) return root;
    if (!root.is_map()) {
        findings.error(root, "the file must be a mapping with model_list, litellm_settings …");
        document.broken = true;
        return {};
    }
    check_keys(root, Section::top, findings);
    include(root, path, depth, document, findings);
    return root;
}

void include(Value& root, const std::string& path, int depth, Document& document,
             Findings& findings) {
    const Value* list = root.find("include");
    if (!list) return;
    Value files = *list;
    std::vector<std::string> names = texts_of(root, "include", findings);
    root.erase("include");
    if (depth >= kMaxIncludes) {
        findings.error(files, fmt::format("more than {} files include each other: does one "
                                          "include itself?",
                                          kMaxIncludes));
        return;
    }
    for (const std::string& name : names) {
        std::string file = (std::filesystem::path(path).parent_path() / name).string();
        merge(root, read_with_includes(file, depth + 1, document, findings));
    }
}

}  // namespace

Value read_document_file(const std::string& path, Document& document, Findings& findings) {
    document.sources.push_back(path);
    base::Result<std::string> text = read_file(path);
    if (!text) {
        findings.add({Severity::error, path, 1,
                      fmt::format("the file can't be read: {}", text.error().detail)});
        document.broken = true;
        return {};
    }
    std::vector<SyntaxNote> repeated;
    auto value = parse_yaml(*text, path, repeated);
    for (const SyntaxNote& note : repeated) {
        findings.add({Severity::warning, path, note.line, note.text});
    }
    if (value) return std::move(*value);
    findings.add({Severity::error, path, value.error().line,
                  fmt::format("the file is not readable as YAML: {}", value.error().text)});
    document.broken = true;
    return {};
}

Document read_litellm_file(const std::string& path, Findings& findings) {
    Document document;
    document.chain_file = path;
    document.root = read_with_includes(path, 0, document, findings);
    if (const Value* models = list_of(document.root, "model_list", findings)) {
        for (const Value& model : models->items)
            document.entries.push_back({model, "", true, false});
    }
    document.root.erase("model_list");
    return document;
}

}  // namespace config
