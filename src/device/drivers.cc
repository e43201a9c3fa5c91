#include "device/drivers.h"

#include "base/percent.h"
#include "base/units.h"
#include "device/memory.h"
#include "device/process_tree.h"
#include "net/refused.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace device {
namespace {

namespace json = boost::json;
using base::ErrorKind;
using base::Result;

constexpr std::size_t kMostReply = 4u << 20;
/// How often a service is asked whether it has stopped.
constexpr base::Duration kCancelStep{50};
constexpr std::size_t kLongestTime = 40;

std::uint64_t number(const json::object& from, std::string_view key) {
    const json::value* const value = from.if_contains(key);
    if (!value || !value->is_number()) return 0;
    json::error_code error;
    const double read = value->to_number<double>(error);
    return error || read < 0 ? 0 : static_cast<std::uint64_t>(read);
}

std::string text(const json::object& from, std::string_view key) {
    const json::value* const value = from.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool truth(const json::object& from, std::string_view key) {
    const json::value* const value = from.if_contains(key);
    return value && value->is_bool() && value->get_bool();
}

/// `{"models": [{…}]}`
template <class Read>
Result<std::vector<Holding>> read_models(const json::object& reply, Read read) {
    std::vector<Holding> found;
    const json::value* const models = reply.if_contains("models");
    if (models && models->is_null()) return found;
    if (!models || !models->is_array())
        return base::fail(ErrorKind::protocol, "it did not list its models");
    for (const json::value& one : models->get_array())
        if (one.is_object()) found.push_back(read(one.get_object()));
    return found;
}

struct Reply {
    int status = 0;
    json::object body;  ///< empty where it was no object
};

/// A call under way, among those that are aborted at the end.
class Listed {
public:
    Listed(std::set<net::AbortHandle*>& calls, net::AbortHandle& call)
        : calls_(calls), call_(call) {
        calls_.insert(&call_);
    }
    ~Listed() { calls_.erase(&call_); }
    Listed(const Listed&) = delete;

private:
    std::set<net::AbortHandle*>& calls_;
    net::AbortHandle& call_;
};

/// An engine that is asked over HTTP.
class HttpDriver : public Driver {
public:
    HttpDriver(DriverTools& tools, const EngineSite& site)
        : tools_(tools), origin_(*site.origin), headers_(site.headers) {}

protected:
    net::Task<Result<Reply>> ask(std::string method, std::string path, std::string body,
                                 base::Time by) {
        if (tools_.ended) co_return base::fail(ErrorKind::gone, "freeway is shutting down");
        net::AbortHandle abort;
        const Listed listed(tools_.calls, abort);
        std::string headers = headers_;
        if (!body.empty()) net::append_header(headers, "Content-Type", "application/json");
        auto reply =
            co_await tools_.client.send({origin_, method, path, headers, body}, by, by, abort);
        if (!reply && net::nobody_listens(reply.error(), origin_.endpoint))
            co_return base::fail(ErrorKind::not_found, std::move(reply.error().detail));
        if (!reply) co_return std::unexpected(reply.error());
        auto received = co_await (*reply)->rest(kMostReply, by);
        if (!received) co_return std::unexpected(received.error());
        json::error_code error;
        json::value parsed = json::parse(*received, error);
        Reply out{(*reply)->head().status, {}};
        if (!error && parsed.is_object()) out.body = std::move(parsed.get_object());
        co_return out;
    }

    net::Task<Result<json::object>> get(std::string path, base::Time by) {
        auto reply = co_await ask("GET", std::move(path), "", by);
        if (!reply) co_return std::unexpected(reply.error());
        if (reply->status != 200)
            co_return base::fail(ErrorKind::protocol, fmt::format("it answered {}", reply->status));
        co_return std::move(reply->body);
    }

    DriverTools& tools_;

private:
    net::Origin origin_;
    std::string headers_;
};

class OllamaDriver final : public HttpDriver {
public:
    using HttpDriver::HttpDriver;

    net::Task<Result<std::vector<Holding>>> holdings(base::Time by) override {
        auto reply = co_await get("/api/ps", by);
        if (!reply) co_return std::unexpected(reply.error());
        co_return read_models(*reply, [](const json::object& model) {
            const std::uint64_t size = number(model, "size");
            const std::uint64_t vram = std::min(size, number(model, "size_vram"));
            return Holding{.model = text(model, "name"),
                           .ram = size - vram,
                           .vram = vram,
                           .expires = base::shown(text(model, "expires_at"), kLongestTime)};
        });
    }

    /// Only asks it to: a model at work goes when it is done.
    net::Task<Result<void>> unload(std::string model, base::Time by) override {
        const json::object body{{"model", model}, {"keep_alive", 0}};
        auto reply = co_await ask("POST", "/api/generate", json::serialize(body), by);
        if (!reply) co_return std::unexpected(reply.error());
        if (reply->status == 200 || reply->status == 404) co_return Result<void>();
        co_return base::fail(ErrorKind::refused, fmt::format("it answered {} {}", reply->status,
                                                             text(reply->body, "error")));
    }
};

class TalkiesDriver final : public HttpDriver {
public:
    using HttpDriver::HttpDriver;

    net::Task<Result<std::vector<Holding>>> holdings(base::Time by) override {
        auto reply = co_await get("/api/ps", by);
        if (!reply) co_return std::unexpected(reply.error());
        auto models = read_models(*reply, [](const json::object& model) {
            return Holding{text(model, "id"), 0, 0, number(model, "active_requests") > 0};
        });
        co_return models;
    }

    net::Task<Result<void>> unload(std::string model, base::Time by) override {
        auto reply = co_await ask("DELETE", "/api/ps/" + base::percent_encoded(model), "", by);
        if (!reply) co_return std::unexpected(reply.error());
        if (reply->status == 200 || reply->status == 404) co_return Result<void>();
        co_return base::fail(ErrorKind::refused,
                             reply->status == 409 ? std::string("the model is at work")
                                                  : fmt::format("it answered {} {}", reply->status,
                                                                text(reply->body, "detail")));
    }
};

/// The wrapper around stable-diffusion.cpp: one model, and an unload that says yes while it works
/// on.
class SdcppDriver final : public HttpDriver {
public:
    using HttpDriver::HttpDriver;

    net::Task<Result<std::vector<Holding>>> holdings(base::Time by) override {
        auto status = co_await get("/sdcpp/v1/status", by);
        if (!status) co_return std::unexpected(status.error());
        std::vector<Holding> found;
        const bool busy = truth(*status, "loading") || truth(*status, "generating");
        const std::string model = text(*status, "current_model");
        if (truth(*status, "loaded") || busy || truth(*status, "process_running"))
            found.push_back({model, 0, 0, busy, truth(*status, "loading")});
        co_return found;
    }

    net::Task<Result<void>> unload(std::string, base::Time by) override {
        auto reply = co_await ask("POST", "/sdcpp/v1/unload", "", by);
        if (!reply) co_return std::unexpected(reply.error());
        if (reply->status == 200) co_return Result<void>();
        co_return base::fail(ErrorKind::refused, fmt::format("it answered {}", reply->status));
    }

    bool works_on() const override { return true; }

    /// Kills its process. Told again only while it says that it did not: by then somebody else may
    /// draw.
    net::Task<> cancel(base::Time by) override {
        for (bool told = false; base::Clock::now() < by;) {
            const auto held = co_await holdings(by);
            if (!held || std::ranges::none_of(*held, &Holding::busy)) co_return;
            if (!told) {
                const auto reply = co_await ask("POST", "/sdcpp/v1/cancel", "", by);
                if (!reply || reply->status != 200) co_return;
                told = truth(reply->body, "cancelled");
            }
            co_await net::sleep_until(tools_.worker.loop.get_executor(),
                                      std::min(by, base::Clock::now() + kCancelStep));
        }
    }
};

/// A child process of ours.
class OwnDriver final : public Driver {
public:
    OwnDriver(DriverTools& tools, const EngineSite& site)
        : tools_(tools), name_(site.key.substr(site.key.find(' ') + 1)) {}

    net::Task<Result<std::vector<Holding>>> holdings(base::Time) override { co_return *at_once(); }

    std::optional<std::vector<Holding>> at_once() override {
        std::vector<Holding> found;
        for (const EngineStatus& engine : tools_.engines.status()) {
            const bool runs = engine.state != EngineState::stopped &&
                              engine.state != EngineState::failed && engine.pid > 0;
            if (engine.name != name_ || !runs || engine.device.empty()) continue;
            const std::vector<int> pids = descendants_of(engine.guard);
            found.push_back({engine.name, resident_bytes(pids), tools_.vram_of(pids),
                             engine.state != EngineState::ready,
                             engine.state == EngineState::starting,
                             engine.state == EngineState::stopping, engine.device});
        }
        return found;
    }

    net::Task<Result<void>> unload(std::string model, base::Time by) override {
        auto ended =
            co_await tools_.engines.unload(tools_.worker.loop.get_executor(), std::move(model), by);
        // A reload took it out meanwhile, and it has ended.
        if (!ended && ended.error().kind == ErrorKind::not_found) co_return Result<void>();
        co_return ended;
    }

private:
    DriverTools& tools_;
    std::string name_;
};

}  // namespace

std::unique_ptr<Driver> make_driver(DriverTools& tools, const EngineSite& site) {
    switch (site.kind) {
        case EngineSite::Kind::own: return std::make_unique<OwnDriver>(tools, site);
        case EngineSite::Kind::ollama: return std::make_unique<OllamaDriver>(tools, site);
        case EngineSite::Kind::talkies: return std::make_unique<TalkiesDriver>(tools, site);
        case EngineSite::Kind::sdcpp: return std::make_unique<SdcppDriver>(tools, site);
        case EngineSite::Kind::unknown: return nullptr;
    }
    return nullptr;
}

}  // namespace device
