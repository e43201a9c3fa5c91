#include "app/server.h"

#include "app/lane_thread.h"
#include "app/persistence.h"
#include "app/process_environment.h"
#include "app/reload.h"
#include "base/log.h"
#include "base/units.h"
#include "device/engine_files.h"
#include "device/puller.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <boost/asio/signal_set.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace app {
namespace {

using base::log::Level;

constexpr base::Duration kWatchEvery{200};

int usable_cores() {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

struct ListenAddress {
    std::string host;
    std::uint16_t port = 0;
};

std::optional<ListenAddress> read_listen(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    ListenAddress address{std::string(text.substr(0, colon)), 0};
    if (address.host.starts_with('[') && address.host.ends_with(']'))
        address.host = address.host.substr(1, address.host.size() - 2);
    if (address.host.empty() || address.host == "*") address.host = "0.0.0.0";
    const std::string_view port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    return address;
}

bool is_loopback(const std::string& host) {
    if (host == "localhost") return true;
    net::error_code error;
    const auto address = net::asio::ip::make_address(host, error);
    return !error && address.is_loopback();
}

device::EngineSpec spec_of(const config::Target& target, const device::EngineFiles& files) {
    const config::Engine& engine = *target.engine;
    return {.name = target.id,
            .command = files.command(engine),
            .ready = engine.ready,
            .ttl = engine.ttl,
            .start_timeout = engine.start_timeout,
            .port = engine.port,
            .models = engine.models,
            .sharing = files.sharing(engine),
            .exclusive = engine.exclusive,
            .kill_on_hangup = engine.kill_on_hangup,
            .device = target.device};
}

std::vector<device::EngineSpec> engines_of(const config::Catalog& catalog,
                                           const config::Environment& environment) {
    const device::EngineFiles files(catalog, environment);
    std::vector<device::EngineSpec> specs;
    for (const config::Target& target : catalog.targets)
        if (target.engine) specs.push_back(spec_of(target, files));
    return specs;
}

/// The signals that a server heeds come to this thread alone, and only while it takes them: those
/// before wait, and those after can't end a process that is about to end as it should.
void take_signals(bool take) {
    sigset_t ours;
    sigemptyset(&ours);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ours, number);
    ::pthread_sigmask(take ? SIG_UNBLOCK : SIG_BLOCK, &ours, nullptr);
}

void problem(const std::string& text) { fmt::print(stderr, "freeway: {}\n", text); }

/// Everything that serves, from start to drain. Its members are in the order in
/// which they depend on each other.
class Server {
public:
    explicit Server(const ServeOptions& options)
        : options_(options), reloader_(options.config, options.env) {}

    int run() {
        config::Snapshot catalog = reloader_.start();
        if (!catalog)
            return problem(options_.config + " can't be served; the lines above say why"), 1;
        export_to_process(reloader_.environment());
        const auto address = read_listen(options_.listen);
        if (!address) return problem("--listen " + options_.listen + " is not HOST:PORT"), 2;
        address_ = *address;
        if (!prepare(*catalog)) return 1;
        base::log::start(options_.verbose ? Level::debug : Level::info);
        if (!remember(*catalog)) return base::log::stop(), 1;
        create_engines();
        engines_->configure(engines_of(*catalog, reloader_.environment()));
        devices_->configure(device::plan_of(*catalog));
        pull(*catalog);
        if (!open_lanes(gateway_.ledger.open(catalog, base::Now::read())))
            return base::log::stop(), 1;
        persistence_.start(catalog->settings);
        announce(*catalog);
        wait_for_end();
        drain();
        base::log::stop();
        return 0;
    }

private:
    bool prepare(const config::Catalog& catalog) {
        if (catalog.settings.master_key.empty() && !is_loopback(address_.host)) {
            problem(
                "no FREEWAY_MASTER_KEY is set, so only this machine is served: listening on "
                "127.0.0.1 instead of " +
                address_.host);
            address_.host = "127.0.0.1";
        }
        auto proxy = net::ProxySettings::from_environment();
        if (!proxy) return problem(proxy.error().detail), false;
        upstream_.proxy = std::move(*proxy);
        return prepare_listener_tls();
    }

    bool prepare_listener_tls() {
        const auto from = [&](const std::string& option, std::string_view variable) {
            return option.empty() ? std::string(reloader_.environment().get(variable)) : option;
        };
        const std::string certificate = from(options_.tls_certificate, "FREEWAY_TLS_CERT");
        const std::string key = from(options_.tls_key, "FREEWAY_TLS_KEY");
        if (certificate.empty() && key.empty()) return true;
        if (certificate.empty() || key.empty())
            return problem("FREEWAY_TLS_CERT and FREEWAY_TLS_KEY are needed together"), false;
        auto tls = net::server_tls(certificate, key);
        if (!tls) return problem(tls.error().detail), false;
        listener_tls_ = std::move(*tls);
        return true;
    }

    bool remember(const config::Catalog& catalog) {
        if (auto opened = persistence_.open(options_.data); !opened)
            return problem(opened.error().detail), false;
        persistence_.keep_files(options_.data, catalog.settings);
        gateway_.upload_folder = options_.data;
        if (auto shared = persistence_.share(reloader_.environment()); !shared)
            return problem(shared.error().detail), false;
        return true;
    }

    void create_engines() {
        const auto folder = std::filesystem::absolute(options_.config);
        engines_ = std::make_unique<device::Supervisor>(
            options_.data,
            std::vector<std::string>{".", folder.string(), folder.parent_path().string()});
        gateway_.engines = engines_.get();
        devices_ = std::make_unique<device::Devices>(*engines_);
        gateway_.devices = devices_.get();
        agents_ = std::make_unique<device::AgentHost>(std::filesystem::absolute(options_.data) /
                                                      "agents");
        gateway_.agents = agents_.get();
    }

    /// What `catalog` needs on local disks is fetched from now on, unless PULL is 0.
    void pull(const config::Catalog& catalog) {
        if (!puller_)
            puller_ = std::make_unique<device::Puller>(
                options_.data, upstream_, client_tls_,
                device::Puller::Boards{gateway_.pulls, gateway_.facts});
        if (!gateway_.puller) gateway_.puller = puller_.get();
        const config::Environment& environment = reloader_.environment();
        puller_->configure(catalog.settings.pull
                               ? device::pull_plan(catalog, environment, options_.data)
                               : device::PullPlan());
    }

    bool open_lanes(const std::shared_ptr<const quota::Book>& book) {
        const int count = options_.workers > 0 ? options_.workers : usable_cores();
        for (int i = 0; i < count; ++i) {
            lanes_.push_back(std::make_unique<LaneThread>(gateway_, static_cast<std::size_t>(i),
                                                          book, upstream_, server_settings_,
                                                          client_tls_, listener_tls_.get()));
            auto port = lanes_.back()->listen(address_.host, address_.port);
            if (!port) return problem(port.error().detail), false;
            address_.port = *port;
        }
        for (auto& lane : lanes_) lane->start();
        return true;
    }

    void announce(const config::Catalog& catalog) {
        if (catalog.aliases.empty())
            problem(
                "no provider is enabled, so there is nothing to serve yet: set a flag to 1 in " +
                options_.env);
        const bool v6 = address_.host.find(':') != std::string::npos;
        fmt::print("listening on {}://{}{}{}:{}\n", listener_tls_ ? "https" : "http", v6 ? "[" : "",
                   address_.host, v6 ? "]" : "", address_.port);
        std::fflush(stdout);
        base::log::write(Level::info, "serving",
                         {{"aliases", catalog.aliases.size()},
                          {"workers", lanes_.size()},
                          {"config", options_.config}});
    }

    void reload() {
        config::Snapshot catalog = reloader_.again(is_loopback(address_.host));
        if (!catalog) return;
        engines_->configure(engines_of(*catalog, reloader_.environment()));
        devices_->configure(device::plan_of(*catalog));
        pull(*catalog);
        const auto book = gateway_.ledger.open(catalog, base::Now::read());
        persistence_.adopt(catalog->settings);
        for (auto& lane : lanes_) lane->replace(book);
    }

    /// Calls `act` for each signal until it returns false.
    void on_signal(std::function<bool(int)> act) {
        signals_.async_wait(
            [this, act = std::move(act)](const net::error_code& error, int number) mutable {
                if (!error && act(number)) on_signal(std::move(act));
            });
    }

    void watch_files() {
        tick_.expires_after(kWatchEvery);
        tick_.async_wait([this](const net::error_code& error) {
            if (error) return;
            if (reloader_.changed()) reload();
            persistence_.sweep();
            watch_files();
        });
    }

    /// Signals and file changes, until asked to end.
    void wait_for_end() {
        on_signal([this](int number) {
            if (number == SIGHUP)
                reload();
            else
                loop_.stop();
            return number == SIGHUP;
        });
        watch_files();
        take_signals(true);
        loop_.run();
        tick_.cancel();
        loop_.restart();
    }

    /// Lets requests under way end; a second signal ends them at once.
    void drain() {
        gateway_.draining = true;
        base::log::write(Level::info, "draining", {{"active", gateway_.active.load()}});
        for (auto& lane : lanes_) lane->stop_accepting();
        for (auto& lane : lanes_)
            lane->finish(base::Clock::now() + std::chrono::seconds(options_.drain_seconds));
        on_signal([this](int number) {
            if (number != SIGHUP)
                for (auto& lane : lanes_) lane->finish(base::Clock::now());
            return true;
        });
        std::thread joiner([this] {
            for (auto& lane : lanes_) lane->join();
            loop_.stop();
        });
        loop_.run();
        take_signals(false);
        joiner.join();
        devices_->shutdown();
        puller_->shutdown();
        engines_->shutdown();
        const bool agents_ended = agents_->shutdown();
        persistence_.stop();
        base::log::write(Level::info, "ended", {{"requests", gateway_.requests.load()}});
        std::size_t left = 0;
        for (auto& lane : lanes_) left += lane->left();
        if (left == 0 && agents_ended) return;
        base::log::write(Level::error, "tasks did not end when cancelled",
                         {{"tasks", left}, {"agents_ended", agents_ended ? "true" : "false"}});
        base::log::stop();
        std::_Exit(0);  // their frames refer to what would be destroyed before them
    }

    const ServeOptions& options_;
    net::asio::io_context loop_{1};
    net::asio::signal_set signals_{loop_, SIGTERM, SIGINT, SIGHUP};
    net::Timer tick_{loop_.get_executor()};
    Reloader reloader_;
    ListenAddress address_;
    net::UpstreamSettings upstream_;
    net::ServerSettings server_settings_;
    net::ClientTls client_tls_;
    std::unique_ptr<net::asio::ssl::context> listener_tls_;
    std::unique_ptr<device::Supervisor> engines_;
    std::unique_ptr<device::Devices> devices_;
    std::unique_ptr<device::AgentHost> agents_;
    gateway::Gateway gateway_;
    std::unique_ptr<device::Puller> puller_;  ///< shows its work in gateway_
    Persistence persistence_{gateway_};
    std::vector<std::unique_ptr<LaneThread>> lanes_;
};

}  // namespace

int serve(const ServeOptions& options) {
    take_signals(false);  // before there are threads: they inherit it
    return Server(options).run();
}

}  // namespace app
