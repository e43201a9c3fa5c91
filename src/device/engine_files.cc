#include "device/engine_files.h"

#include "config/engine_block.h"
#include "device/url.h"

#include <map>

namespace device {
namespace {

std::string place(const config::Engine& engine, std::string_view url) {
    return engine.models + '/' + std::string(name_in(url));
}

}  // namespace

EngineFiles::EngineFiles(const config::Catalog& catalog, const config::Environment& environment)
    : named_(environment.get("LLAMACPP_MODEL")),
      named_sha256_(environment.get("LLAMACPP_MODEL_SHA256")) {
    std::map<std::string, std::string> first;
    for (const config::Target& target : catalog.targets) {
        if (!target.engine) continue;
        for (const std::string& word : target.engine->command) {
            if (!config::is_url(word)) continue;
            const std::string name = place(*target.engine, word);
            const auto [known, added] = first.emplace(name, lasting_url(word));
            if (known->second != lasting_url(word)) shared_.insert(name);
        }
    }
}

std::string EngineFiles::stated(const std::string& word) const {
    if (named_sha256_.empty() || word != named_ || !config::is_url(word)) return word;
    return word.substr(0, word.find('#')) + "#sha256=" + named_sha256_;
}

std::vector<std::string> EngineFiles::command(const config::Engine& engine) const {
    std::vector<std::string> words;
    for (const std::string& word : engine.command) words.push_back(stated(word));
    return words;
}

std::vector<std::string> EngineFiles::sharing(const config::Engine& engine) const {
    std::vector<std::string> words;
    for (const std::string& word : command(engine))
        if (config::is_url(word) && shared_.contains(place(engine, word))) words.push_back(word);
    return words;
}

}  // namespace device
