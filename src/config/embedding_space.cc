#include "config/embedding_space.h"

#include <algorithm>

namespace config {
namespace {

/// "BAAI/bge-m3", "bge-m3:latest" and "bge-m3" are one model; so are "Qwen/Qwen3-Embedding-0.6B"
/// and "qwen3-embedding:0.6b".
std::string family(std::string_view model) {
    std::string name(model.substr(model.rfind('/') + 1));
    std::ranges::transform(name, name.begin(), [](char c) {
        if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
        return c == ':' ? '-' : c;
    });
    constexpr std::string_view kLatest = "-latest";
    if (name.ends_with(kLatest)) name.resize(name.size() - kLatest.size());
    return name;
}

}  // namespace

std::string space_name(const Target& target, std::string_view model) {
    return target.embedding_space.empty() ? family(model) : target.embedding_space;
}

bool same_space(const Target& a, std::string_view model_a, const Target& b,
                std::string_view model_b) {
    if (!a.embedding_space.empty() && !b.embedding_space.empty())
        return a.embedding_space == b.embedding_space;
    return family(model_a) == family(model_b);
}

}  // namespace config
