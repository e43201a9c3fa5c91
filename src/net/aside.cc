#include "net/aside.h"

#include <pthread.h>
#include <signal.h>

namespace net {

asio::thread_pool& aside_threads() {
    static asio::thread_pool& threads = [] -> asio::thread_pool& {
        // Signals are for the threads that serve; new threads have the mask of their maker.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        // Never destroyed: a disk that hangs must not hold up the end of the process.
        auto* const made = new asio::thread_pool(2);
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return *made;
    }();
    return threads;
}

}  // namespace net
