#pragma once

#include "net/asio.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace net {

/// The threads of aside(): made at first use, few, because what they wait for is one disk.
asio::thread_pool& aside_threads();

/// Runs `work`, which may take its time (a disk, a long text to decode), on a thread beside the
/// workers and gives what it returned on `executor`'s. The task waits for it whatever happens, so
/// `work` may refer to what the caller owns. It must not throw.
template <class Work>
Task<std::invoke_result_t<Work&>> aside(Executor executor, Work work) {
    std::optional<std::invoke_result_t<Work&>> result;
    bool done = false;
    Timer wake(executor, Timer::time_point::max());
    asio::post(aside_threads(), [&] {
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
