#include "net/aside.h"

#include <pthread.h>
#include <signal.h>

namespace net {

std::unique_ptr<asio::thread_pool> quiet_threads(std::size_t count) {
    // New threads have the mask of their maker.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    auto made = std::make_unique<asio::thread_pool>(count);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return made;
}

asio::thread_pool& aside_threads(Beside kind) {
    constexpr std::size_t kThreads = 2;
    // Never destroyed: a disk that hangs must not hold up the end of the process.
    if (kind == Beside::disk) {
        static asio::thread_pool& disk = *quiet_threads(kThreads).release();
        return disk;
    }
    static asio::thread_pool& cpu = *quiet_threads(kThreads).release();
    return cpu;
}

}  // namespace net
