#include "app/lane_thread.h"

#include "admin/router.h"

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <random>

namespace app {
namespace {

constexpr base::Duration kCancelTime{2'000};

std::string random_prefix() {
    std::random_device device;
    return fmt::format("{:08x}{:08x}", device(), device());
}

}  // namespace

LaneThread::LaneThread(gateway::Gateway& shared, std::size_t number,
                       std::shared_ptr<const quota::Book> book,
                       const net::UpstreamSettings& upstream, const net::ServerSettings& settings,
                       net::ClientTls& client_tls, net::asio::ssl::context* listener_tls)
    : lane_{shared,
            worker_,
            net::UpstreamClient(worker_.loop.get_executor(), worker_.deadlines, upstream,
                                client_tls),
            std::make_shared<gateway::Ways>(std::move(book)),
            random_prefix(),
            0},
      server_(
          worker_, settings,
          [this](net::Exchange& exchange) { return admin::answer(lane_, exchange); },
          listener_tls) {
    worker_.number = number;
}

LaneThread::~LaneThread() { join(); }

void LaneThread::start() {
    server_.start();
    thread_ = std::thread([this] { worker_.loop.run(); });
}

void LaneThread::replace(std::shared_ptr<const quota::Book> book) {
    net::asio::post(worker_.loop, [this, book = std::move(book)]() mutable {
        lane_.ways = std::make_shared<gateway::Ways>(std::move(book));
    });
}

void LaneThread::stop_accepting() {
    net::asio::post(worker_.loop, [this] { server_.stop_accepting(); });
}

namespace {

net::Task<> end(net::Worker& worker, base::Time drain_by) {
    co_await worker.tasks.wait_empty(drain_by);
    worker.tasks.cancel_all();
    co_await worker.tasks.wait_empty(base::Clock::now() + kCancelTime);
    worker.loop.stop();
}

}  // namespace

void LaneThread::finish(base::Time drain_by) {
    net::asio::post(worker_.loop, [this, drain_by] {
        net::asio::co_spawn(worker_.loop.get_executor(), end(worker_, drain_by),
                            [](const std::exception_ptr&) {});
    });
}

void LaneThread::join() {
    if (thread_.joinable()) thread_.join();
}

}  // namespace app
