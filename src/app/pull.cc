#include "app/commands.h"
#include "app/process_environment.h"
#include "app/progress_bar.h"
#include "config/engine_block.h"
#include "device/engine_files.h"
#include "device/pull_plan.h"
#include "net/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

namespace app {
namespace {

using base::Result;

constexpr int kTries = 5;
constexpr base::Duration kPause{5'000};

int problem(const std::string& text) {
    fmt::print(stderr, "freeway: {}\n", text);
    return 1;
}

int fetch_file(const device::ModelFile& file) {
    const std::string name = std::filesystem::path(device::locate(file).path).filename();
    ProgressBar bar(name);
    const auto done =
        device::pull_file(file, [&](device::FetchProgress progress) { bar.show(progress); });
    bar.end();
    if (!done) return problem(name + ": " + done.error().detail);
    fmt::print("{}\n", *done);
    return 0;
}

/// Nobody knows who else wants the file that has its name: that one stays.
int fetch_url(const std::string& data_dir, const std::string& url, const std::string& sha256) {
    device::ModelFile file = device::model_file(data_dir, url);
    if (!sha256.empty()) file.sha256 = sha256;
    file.shared = device::is_taken(file);
    return fetch_file(file);
}

/// Waits for one task that nobody else does anything beside.
template <class T>
net::Task<> keep(net::Task<Result<T>> task, Result<T>& result) {
    result = co_await std::move(task);
}

/// The Ollama services of a command that does one thing after the other.
class Services {
public:
    static Result<std::unique_ptr<Services>> make() {
        auto proxy = net::ProxySettings::from_environment();
        if (!proxy) return std::unexpected(proxy.error());
        return std::unique_ptr<Services>(new Services(std::move(*proxy)));
    }

    /// The exit code.
    int pull(const device::PullPlan::Service& service);

private:
    explicit Services(net::ProxySettings proxy) : settings_{.proxy = std::move(proxy)} {}

    int pull(const device::PullPlan::Service& service, const std::string& model);
    template <class T>
    Result<T> wait(net::Task<Result<T>> task);

    net::ClientTls tls_;
    net::UpstreamSettings settings_;
    net::Worker worker_;
    net::UpstreamClient client_{worker_.loop.get_executor(), worker_.deadlines, settings_, tls_};
    net::AbortHandle never_;
};

template <class T>
Result<T> Services::wait(net::Task<Result<T>> task) {
    Result<T> result = base::fail(base::ErrorKind::internal, "no answer");
    worker_.tasks.spawn(keep(std::move(task), result), [] {});
    while (worker_.tasks.size() > 0) worker_.loop.run_one();
    return result;
}

int Services::pull(const device::PullPlan::Service& service) {
    const auto there = wait(device::ollama_models(client_, service.to, never_));
    if (!there) return problem(service.url + ": " + there.error().detail);
    int worst = 0;
    for (const device::PullPlan::Model& model : service.models) {
        if (there->contains(model.name))
            fmt::print("{} is at {}\n", model.name, service.url);
        else
            worst = std::max(worst, pull(service, model.name));
    }
    return worst;
}

int Services::pull(const device::PullPlan::Service& service, const std::string& model) {
    for (int left = kTries;;) {
        ProgressBar bar(model);
        const device::PullWatch watch = [&bar](device::FetchProgress progress) {
            if (progress.total) bar.show(progress);
            return Result<void>();
        };
        const auto done = wait(device::ollama_pull(client_, service.to, model, watch, never_));
        bar.end();
        if (done) break;
        const std::string text = fmt::format("{}: {}: {}", service.url, model, done.error().detail);
        if (done.error().kind == base::ErrorKind::not_found || --left == 0) return problem(text);
        fmt::print(stderr, "freeway: {}; again in {} s\n", text, kPause.count() / 1000);
        std::this_thread::sleep_for(kPause);
    }
    fmt::print("{} is at {} now\n", model, service.url);
    return 0;
}

int carry_out(const device::PullPlan& plan, const std::string& sha256) {
    int worst = 0;
    for (device::PullPlan::File file : plan.files) {
        if (!sha256.empty()) file.what.sha256 = sha256;
        worst = std::max(worst, fetch_file(file.what));
    }
    if (plan.services.empty()) return worst;
    auto services = Services::make();
    if (!services) return problem(services.error().detail);
    for (const device::PullPlan::Service& service : plan.services)
        worst = std::max(worst, (*services)->pull(service));
    return worst;
}

}  // namespace

int pull(const CommonOptions& options, const std::string& what, const std::string& checksum) {
    std::string sha256 = checksum;
    std::ranges::transform(sha256, sha256.begin(), [](unsigned char c) { return std::tolower(c); });
    const config::Environment environment = config::Environment::read(options.env);
    export_to_process(environment);
    if (config::is_url(what)) return fetch_url(options.data, what, sha256);
    const config::Loaded loaded = config::load(options.config, environment, config::Scope::serving);
    if (!loaded.catalog) {
        for (const config::Diagnostic& diagnostic : loaded.diagnostics)
            fmt::print(stderr, "{}\n", diagnostic.str());
        return 1;
    }
    const config::Alias* alias = what.empty() ? nullptr : loaded.catalog->find(what);
    if (!what.empty() && !alias) {
        problem(what + " is neither an enabled alias nor an http or https URL");
        return 2;
    }
    const device::PullPlan plan = device::pull_plan(*loaded.catalog, environment, options.data,
                                                    alias ? alias->name : std::string());
    if (plan.empty())
        fmt::print("nothing to fetch: {} a model of Ollama, or an engine's by URL\n",
                   alias ? alias->name + " does not name" : "no enabled alias names");
    return carry_out(plan, sha256);
}

}  // namespace app
