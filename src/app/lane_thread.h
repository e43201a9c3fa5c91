#pragma once

#include "gateway/gateway.h"
#include "net/http_server.h"

#include <memory>
#include <thread>

namespace app {

/// One worker's thread with its lane and its listener.
class LaneThread {
public:
    LaneThread(gateway::Gateway& shared, std::size_t number,
               std::shared_ptr<const quota::Book> book, const net::UpstreamSettings& upstream,
               const net::ServerSettings& settings, net::ClientTls& client_tls,
               net::asio::ssl::context* listener_tls);
    ~LaneThread();

    /// Before start(): binds. Returns the port.
    base::Result<std::uint16_t> listen(const std::string& host, std::uint16_t port) {
        return server_.listen(host, port);
    }
    void start();

    /// From any thread.
    void replace(std::shared_ptr<const quota::Book> book);
    void stop_accepting();
    /// Cancels what still runs; the thread ends when nothing is left.
    void finish(base::Time drain_by);
    void join();
    /// After join(): tasks that did not end although they were cancelled.
    std::size_t left() const { return worker_.tasks.size(); }

private:
    net::Worker worker_;
    gateway::Lane lane_;
    net::HttpServer server_;
    std::thread thread_;
};

}  // namespace app
