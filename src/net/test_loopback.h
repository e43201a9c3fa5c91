#pragma once

#include "net/http_server.h"
#include "net/upstream.h"

#include <boost/asio/ssl/context.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

namespace net {

/// No test waits longer for anything.
inline constexpr base::Duration kPatience{10'000};

/// Runs the worker's loop until `done` says so; false if that takes too long.
inline bool until(Worker& worker, const std::function<bool()>& done) {
    const base::Time by = base::Clock::now() + kPatience;
    worker.loop.restart();
    while (!done()) {
        if (base::Clock::now() >= by) return false;
        if (worker.loop.run_one_for(std::chrono::milliseconds(2)) == 0 && worker.loop.stopped())
            worker.loop.restart();
    }
    return true;
}

/// Lets the worker's loop run for `time`.
inline void run_for(Worker& worker, base::Duration time) {
    const base::Time by = base::Clock::now() + time;
    until(worker, [by] { return base::Clock::now() >= by; });
}

/// A task that has been started: its result, once there.
template <class T>
using Started = std::shared_ptr<std::optional<T>>;

template <class T>
Started<T> start(Worker& worker, Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    asio::co_spawn(worker.loop, std::move(task),
                   [result](const std::exception_ptr& failure, T value) {
                       if (failure) std::rethrow_exception(failure);
                       result->emplace(std::move(value));
                   });
    return result;
}

template <class T>
T wait(Worker& worker, const Started<T>& started) {
    if (!until(worker, [&] { return started->has_value(); }))
        throw std::runtime_error("a task did not end in time");
    return std::move(**started);
}

/// Runs `task` to its end, so that a test is a plain function.
template <class T>
T run(Worker& worker, Task<T> task) {
    return wait(worker, start(worker, std::move(task)));
}

inline Socket dialled(Worker& worker, std::uint16_t port) {
    Socket socket(worker.loop.get_executor());
    socket.connect({asio::ip::address_v4::loopback(), port});
    return socket;
}

/// A connection on which a test sends and reads bytes as they are.
class RawClient {
public:
    RawClient(Worker& worker, std::uint16_t port)
        : worker_(worker),
          stream_(std::make_unique<Stream>(dialled(worker, port), worker.deadlines)) {}

    bool send(std::string bytes) { return run(worker_, send_all(*stream_, std::move(bytes))); }
    /// What has come once `mark` is in it, or all there is when the peer closes first.
    std::string read_until(std::string mark) {
        return run(worker_, read(*stream_, std::move(mark)));
    }
    std::string read_all() { return read_until(std::string()); }
    bool eof() const { return stream_->eof(); }
    void close() { stream_.reset(); }
    /// Closes with a reset instead of an orderly end.
    void reset() {
        stream_->socket().set_option(asio::socket_base::linger(true, 0));
        stream_.reset();
    }

private:
    static Task<bool> send_all(Stream& stream, std::string bytes) {
        auto written = co_await stream.write({bytes, {}, {}}, base::Clock::now() + kPatience);
        co_return written.has_value();
    }
    static Task<std::string> read(Stream& stream, std::string mark) {
        std::string all;
        std::array<char, 4096> piece;
        const base::Time by = base::Clock::now() + kPatience / 2;
        while (mark.empty() || all.find(mark) == std::string::npos) {
            auto got = co_await stream.read_some(asio::buffer(piece), by);
            if (!got) break;
            all.append(piece.data(), *got);
        }
        co_return all;
    }

    Worker& worker_;
    std::unique_ptr<Stream> stream_;
};

/// An upstream that answers with bytes as they are: one script for each request.
class RawServer {
public:
    enum class End { keep, close, reset };
    struct Script {
        std::string bytes;
        End end = End::keep;
        bool piecemeal = false;  ///< every byte in a write of its own
    };

    explicit RawServer(Worker& worker)
        : worker_(worker),
          acceptor_(worker.loop.get_executor(),
                    Tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
        worker_.tasks.spawn(accept(), [this] { close(); });
    }
    void answer(Script script) { scripts_.push_back(std::move(script)); }
    void close() {
        error_code ignored;
        acceptor_.close(ignored);
    }
    std::uint16_t port() const { return port_; }

    std::vector<std::string> requests;  ///< heads and bodies
    int connections = 0;
    int ended = 0;  ///< connections that the other side closed

private:
    Task<> accept() {
        for (;;) {
            auto [error, socket] =
                co_await acceptor_.async_accept(worker_.loop.get_executor(), kAwait);
            if (error) co_return;
            ++connections;
            auto stream = std::make_shared<Stream>(std::move(socket), worker_.deadlines);
            worker_.tasks.spawn(serve(stream), [stream] { stream->abort(); });
        }
    }
    Task<> serve(std::shared_ptr<Stream> stream) {
        std::string buffer;
        for (;;) {
            std::array<char, 4096> piece;
            auto got =
                co_await stream->read_some(asio::buffer(piece), base::Clock::now() + kPatience);
            if (!got) {
                ++ended;
                co_return;
            }
            buffer.append(piece.data(), *got);
            if (!whole(buffer)) continue;
            requests.push_back(std::exchange(buffer, std::string()));
            if (scripts_.empty()) continue;
            const Script script = std::exchange(scripts_.front(), Script());
            scripts_.pop_front();
            co_await play(*stream, script);
            if (script.end == End::keep) continue;
            if (script.end == End::reset)
                stream->socket().set_option(asio::socket_base::linger(true, 0));
            error_code ignored;
            stream->socket().close(ignored);
            co_return;
        }
    }
    static Task<> play(Stream& stream, const Script& script) {
        const std::size_t step =
            script.piecemeal ? 1 : std::max<std::size_t>(1, script.bytes.size());
        for (std::size_t at = 0; at < script.bytes.size(); at += step)
            co_await stream.write({std::string_view(script.bytes).substr(at, step), {}, {}},
                                  base::Clock::now() + kPatience);
    }
    static bool whole(const std::string& bytes) {
        const std::size_t head = head_length(bytes, 0);
        if (head == 0) return false;
        RequestHead parsed;
        if (parse(bytes.substr(0, head), parsed)) return true;
        return bytes.size() >= head + parsed.content_length;
    }

    Worker& worker_;
    Acceptor acceptor_;
    std::uint16_t port_ = acceptor_.local_endpoint().port();
    std::deque<Script> scripts_;
};

/// Ends a worker's tasks before what they use goes away. Declared after all of that.
class Drain {
public:
    explicit Drain(Worker& worker) : worker_(worker) {}
    Drain(const Drain&) = delete;
    Drain& operator=(const Drain&) = delete;
    ~Drain() {
        worker_.tasks.cancel_all();
        until(worker_, [this] { return worker_.tasks.size() == 0; });
    }

private:
    Worker& worker_;
};

}  // namespace net
