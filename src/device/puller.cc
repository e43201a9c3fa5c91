#include "device/puller.h"

#include "device/file_puller.h"
#include "device/service_puller.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>

namespace device {

namespace asio = net::asio;

/// The puller's thread and what lives on it.
struct Puller::Impl {
    Impl(std::string data, const net::UpstreamSettings& settings, net::ClientTls& tls, Boards shown)
        : data_dir(std::move(data)),
          client(worker.loop.get_executor(), worker.deadlines, settings, tls),
          shop{worker, client, data_dir, {}, [this] { publish(); }, [this] { publish_facts(); }},
          boards(shown) {}

    void run();
    void configure(PullPlan plan);
    void look_again(const std::string& target);
    void retire(const std::string& url);
    void publish();
    void publish_facts();
    void shut_down();

    const std::string data_dir;
    net::Worker worker;
    net::UpstreamClient client;
    PullShop shop;
    Boards boards;
    std::map<std::string, std::shared_ptr<ServicePuller>> services;  ///< by URL
    std::optional<FilePuller> files;
    std::optional<asio::executor_work_guard<net::Executor>> stay;
    bool ending = false;
    std::atomic<bool> started = false;  ///< something was planned once
    std::thread thread;
};

void Puller::Impl::run() {
    // Signals are for the threads that serve.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    worker.loop.run();
}

void Puller::Impl::configure(PullPlan plan) {
    if (ending) return;
    std::vector<std::string> gone;
    for (const auto& [url, service] : services) {
        const auto same = std::ranges::find(plan.services, url, &PullPlan::Service::url);
        if (same == plan.services.end() || same->to.headers != service->plan().to.headers)
            gone.push_back(url);
    }
    for (const std::string& url : gone) retire(url);
    for (PullPlan::Service& wanted : plan.services) {
        const auto known = services.find(wanted.url);
        if (known != services.end()) {
            known->second->configure(wanted.models);
            continue;
        }
        const std::string url = wanted.url;
        const auto service = std::make_shared<ServicePuller>(shop, std::move(wanted));
        services.emplace(url, service);
        worker.tasks.spawn(ServicePuller::run(service), [service] { service->retire(); });
    }
    if (!files && !plan.files.empty())
        files.emplace([this] { asio::post(worker.loop, [this] { publish(); }); });
    if (files) files->configure(std::move(plan.files));
    publish();
    publish_facts();
}

void Puller::Impl::retire(const std::string& url) {
    services.at(url)->retire();
    services.erase(url);
}

void Puller::Impl::look_again(const std::string& target) {
    for (const auto& [url, service] : services)
        for (const PullPlan::Model& model : service->plan().models)
            if (std::ranges::find(model.targets, target) != model.targets.end())
                return service->look_again();
}

void Puller::Impl::publish() {
    if (ending) return;
    std::vector<base::Pull> list;
    for (const auto& [url, service] : services) service->list(list);
    if (files)
        for (base::Pull& pull : files->list()) list.push_back(std::move(pull));
    boards.pulls.show(std::make_shared<const base::Pulls>(std::move(list)));
}

void Puller::Impl::publish_facts() {
    if (ending) return;
    base::FactTable facts;
    for (const auto& [url, service] : services) service->facts(facts);
    boards.facts.show(std::make_shared<const base::FactTable>(std::move(facts)));
}

void Puller::Impl::shut_down() {
    ending = true;
    for (const auto& [url, service] : services) service->retire();
    worker.tasks.cancel_all();
    asio::co_spawn(worker.loop.get_executor(), worker.tasks.wait_empty(base::Time::max()),
                   [this](const std::exception_ptr&) { worker.loop.stop(); });
}

Puller::Puller(std::string data_dir, const net::UpstreamSettings& settings, net::ClientTls& tls,
               Boards boards)
    : impl_(std::make_unique<Impl>(std::move(data_dir), settings, tls, boards)) {}

Puller::~Puller() { shutdown(); }

void Puller::configure(PullPlan plan) {
    if (!impl_->started) {
        if (plan.empty()) return;
        impl_->stay.emplace(impl_->worker.loop.get_executor());
        impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
        impl_->started = true;
    }
    asio::post(impl_->worker.loop, [impl = impl_.get(), wanted = std::move(plan)]() mutable {
        impl->configure(std::move(wanted));
    });
}

void Puller::look_again(std::string target) {
    if (!impl_->started) return;
    asio::post(impl_->worker.loop,
               [impl = impl_.get(), named = std::move(target)] { impl->look_again(named); });
}

void Puller::shutdown() {
    if (!impl_->thread.joinable()) return;
    asio::post(impl_->worker.loop, [impl = impl_.get()] { impl->shut_down(); });
    impl_->thread.join();
    impl_->files.reset();
}

}  // namespace device
