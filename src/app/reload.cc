#include "app/reload.h"

#include "base/log.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace app {

using base::log::Level;

namespace {

/// Looks at unchanged files before a change is believed to be complete.
constexpr int kSettled = 2;

void print(const std::vector<config::Diagnostic>& diagnostics) {
    for (const config::Diagnostic& diagnostic : diagnostics) {
        const std::string line = diagnostic.str() + '\n';
        std::fputs(line.c_str(), stderr);
    }
}

std::set<std::string> error_texts(const std::vector<config::Diagnostic>& diagnostics) {
    std::set<std::string> texts;
    for (const config::Diagnostic& diagnostic : diagnostics)
        if (diagnostic.severity == config::Severity::error) texts.insert(diagnostic.text);
    return texts;
}

}  // namespace

config::Snapshot Reloader::start() {
    environment_ = config::Environment::read(env_);
    config::Loaded loaded = config::load(config_, environment_, config::Scope::serving);
    print(loaded.diagnostics);
    errors_ = error_texts(loaded.diagnostics);
    watch(loaded.catalog.get());
    return loaded.catalog;
}

config::Snapshot Reloader::again(bool loopback_only) {
    seen_ = fingerprint();
    const std::string before = seen_;
    config::Environment environment = config::Environment::read(env_);
    config::Loaded loaded = config::load(config_, environment, config::Scope::serving);
    std::set<std::string> errors = error_texts(loaded.diagnostics);
    if (const std::string_view why = refusal(loaded, errors, loopback_only); !why.empty()) {
        print(loaded.diagnostics);
        base::log::write(Level::error,
                         "the changed configuration is refused; the one before goes on serving",
                         {{"config", config_}, {"why", why}});
        return nullptr;
    }
    environment_ = std::move(environment);
    errors_ = std::move(errors);
    const bool moved = fingerprint() != before;
    watch(loaded.catalog.get());
    if (moved) seen_.clear();  // edited while it was read: look again
    base::log::write(Level::info, "configuration reloaded",
                     {{"aliases", loaded.catalog->aliases.size()}});
    return loaded.catalog;
}

std::string_view Reloader::refusal(const config::Loaded& loaded,
                                   const std::set<std::string>& errors, bool loopback_only) const {
    const auto known = [this](const std::string& text) { return errors_.contains(text); };
    if (!loaded.catalog || !std::ranges::all_of(errors, known)) return "it has new errors";
    if (!loopback_only && loaded.catalog->settings.master_key.empty())
        return "without a master key only this machine may be served";
    if (loaded.catalog->aliases.empty() && served_any_ && !std::filesystem::is_directory(config_))
        return "it holds no model any more";
    return {};
}

void Reloader::watch(const config::Catalog* catalog) {
    served_any_ = catalog && !catalog->aliases.empty();
    files_ = {config_, env_};
    if (std::filesystem::is_directory(config_)) {
        files_.push_back(config_ + "/providers");
        files_.push_back(config_ + "/fallbacks.json");
        files_.push_back(config_ + "/base.yaml");
    }
    if (catalog) files_.insert(files_.end(), catalog->sources.begin(), catalog->sources.end());
    seen_ = fingerprint();
}

std::string Reloader::fingerprint() const {
    std::string out;
    for (const std::string& file : files_) {
        struct stat info{};
        if (::stat(file.c_str(), &info) != 0) {
            out += "-;";
            continue;
        }
        fmt::format_to(std::back_inserter(out), "{}.{}.{}.{};", info.st_ino, info.st_size,
                       info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    }
    return out;
}

bool Reloader::changed() {
    std::string now = fingerprint();
    equal_looks_ = now == last_look_ ? equal_looks_ + 1 : 0;
    last_look_ = std::move(now);
    return equal_looks_ >= kSettled && last_look_ != seen_;
}

}  // namespace app
