#pragma once

#include "net/asio.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace net {

/// What work beside the workers takes its time for: each kind has its own two threads, so that a
/// slow disk keeps nobody from decoding a picture, nor the other way round. What waits for a
/// thread is one piece of work a request at a time.
enum class Beside { disk, cpu };

/// The threads of aside(): made at first use.
asio::thread_pool& aside_threads(Beside kind);

/// Threads that get no signals: those are for the threads that serve.
std::unique_ptr<asio::thread_pool> quiet_threads(std::size_t count);

/// Runs `work`, which may take its time, on a thread beside the workers and gives what it returned
/// on `executor`'s. The task waits for it whatever happens, so `work` may refer to what the caller
/// owns. It must not throw.
template <class Work>
Task<std::invoke_result_t<Work&>> aside(Executor executor, Beside kind, Work work) {
    std::optional<std::invoke_result_t<Work&>> result;
    bool done = false;
    Timer wake(executor, Timer::time_point::max());
    asio::post(aside_threads(kind), [&] {
        result.emplace(work());
        asio::post(executor, [&] {
            done = true;
            wake.cancel();
        });
    });
    while (!done) co_await wake.async_wait(kAwait);
    co_return std::move(*result);
}

}  // namespace net
