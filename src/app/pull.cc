#include "app/commands.h"
#include "app/process_environment.h"
#include "config/load.h"
#include "device/fetch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <vector>

namespace app {
namespace {

bool is_url(const std::string& text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

/// One line that is redrawn on a terminal, a line every ten percent elsewhere.
class ProgressBar {
public:
    explicit ProgressBar(std::string name)
        : name_(std::move(name)), terminal_(isatty(STDERR_FILENO) == 1) {}

    void show(device::FetchProgress progress) {
        const int percent = progress.total && *progress.total > 0
                                ? static_cast<int>(progress.done * 100 / *progress.total)
                                : -1;
        const auto now = std::chrono::steady_clock::now();
        const bool whole = progress.total && progress.done == *progress.total;
        if (terminal_ ? !whole && now - drawn_ < std::chrono::milliseconds(100)
                      : percent / 10 == step_)
            return;
        drawn_ = now;
        step_ = percent / 10;
        const double done = static_cast<double>(progress.done) / 1e6;
        if (percent < 0) {
            fmt::print(stderr, "{}{}: {:.1f} MB{}", terminal_ ? "\r" : "", name_, done,
                       terminal_ ? "" : "\n");
            return;
        }
        constexpr int kWidth = 30;
        const int filled = percent * kWidth / 100;
        fmt::print(stderr, "{}{} [{}{}] {:3}% of {:.1f} MB{}", terminal_ ? "\r" : "", name_,
                   std::string(static_cast<std::size_t>(filled), '#'),
                   std::string(static_cast<std::size_t>(kWidth - filled), '.'), percent,
                   static_cast<double>(*progress.total) / 1e6, terminal_ ? "" : "\n");
    }

    void end() const {
        if (terminal_) fmt::print(stderr, "\n");
    }

private:
    std::string name_;
    bool terminal_;
    int step_ = -2;
    std::chrono::steady_clock::time_point drawn_;
};

/// A model by its URL, and the folder below the data folder that keeps it.
struct Model {
    std::string url;
    std::string folder = "models";
    auto operator<=>(const Model&) const = default;
};

int fetch_one(const std::string& data, const Model& model, const std::string& sha256) {
    device::FetchRequest request;
    request.url = model.url;
    request.destination = data + '/' + model.folder;
    const std::string name =
        std::filesystem::path(device::model_file(data, model.url, model.folder)).filename();
    if (name.empty() || name == "." || name == "..") {
        fmt::print(stderr, "freeway: {} names no file\n", model.url);
        return 1;
    }
    std::error_code error;
    std::filesystem::create_directories(request.destination, error);
    request.destination += '/' + name;
    request.sha256 = sha256;
    ProgressBar bar(name);
    auto done = device::fetch(request, [&](device::FetchProgress progress) { bar.show(progress); });
    bar.end();
    if (!done) {
        fmt::print(stderr, "freeway: {}\n", done.error().detail);
        return 1;
    }
    fmt::print("{}\n", request.destination);
    return 0;
}

}  // namespace

int pull(const CommonOptions& options, const std::string& url, const std::string& sha256) {
    const config::Environment environment = config::Environment::read(options.env);
    export_to_process(environment);
    if (!url.empty()) {
        if (is_url(url)) return fetch_one(options.data, {url}, sha256);
        fmt::print(stderr, "freeway: {} is not an http or https URL\n", url);
        return 2;
    }
    const config::Loaded loaded = config::load(options.config, environment, config::Scope::serving);
    if (!loaded.catalog) {
        for (const config::Diagnostic& diagnostic : loaded.diagnostics)
            fmt::print(stderr, "{}\n", diagnostic.str());
        return 1;
    }
    std::set<Model> models;
    for (const config::Target& target : loaded.catalog->targets)
        if (target.engine)
            for (const std::string& word : target.engine->command)
                if (is_url(word)) models.insert({word, target.engine->models});
    if (models.empty()) fmt::print("nothing to fetch: no enabled engine names its model by URL\n");
    int worst = 0;
    for (const Model& one : models) {
        const bool named = one.url == environment.get("LLAMACPP_MODEL");
        const std::string expected(named ? environment.get("LLAMACPP_MODEL_SHA256")
                                         : std::string_view());
        worst = std::max(worst, fetch_one(options.data, one, sha256.empty() ? expected : sha256));
    }
    return worst;
}

}  // namespace app
