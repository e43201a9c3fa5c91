#pragma once

#include <boost/asio/detail/thread_info_base.hpp>

#include <cstddef>

namespace net {

/// The memory of finished coroutines, kept for the thread's next ones. A request is a chain of some
/// 25 frames, the larger of which malloc has no quick answer to: with Asio's own two spare blocks a
/// fifth of a proxied request's instructions went into allocation. Kept: at most kMostKept bytes a
/// thread, given back when the thread ends.
class FramePool {
public:
    static constexpr std::size_t kMostKept = 256u << 10;

    static void* take(std::size_t size) {
        const std::size_t shelf = shelf_of(size);
        if (shelf >= kShelves || !here_.shelves[shelf]) return make(shelf, size);
        Frame* const frame = here_.shelves[shelf];
        here_.shelves[shelf] = frame->next;
        here_.kept -= shelf * kStep;
        return frame;
    }

    static void give(void* memory, std::size_t size) {
        const std::size_t shelf = shelf_of(size);
        if (shelf >= kShelves || here_.kept + shelf * kStep > here_.most)
            return ::operator delete(memory);
        here_.shelves[shelf] = new (memory) Frame{here_.shelves[shelf]};
        here_.kept += shelf * kStep;
    }

private:
    struct Frame {
        Frame* next;
    };
    static constexpr std::size_t kStep = 64;
    static constexpr std::size_t kShelves = 65;  ///< frames up to 4 KiB

    /// Trivial, so that reaching it costs no guard; `most` is 0 until the thread's first frame,
    /// and again once the thread ends.
    struct Shelves {
        Frame* shelves[kShelves];
        std::size_t kept;
        std::size_t most;
        bool closed;
    };
    struct Closing {
        ~Closing();
    };

    static std::size_t shelf_of(std::size_t size) { return (size + kStep - 1) / kStep; }
    static void* make(std::size_t shelf, std::size_t size);

    static inline thread_local constinit Shelves here_{};
};

}  // namespace net

// Sanitizers see a coroutine that is used after its end only where its memory is really given back.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
namespace boost::asio::detail {

template <>
inline void* thread_info_base::allocate(awaitable_frame_tag, thread_info_base*, std::size_t size,
                                        std::size_t) {
    return net::FramePool::take(size);
}
template <>
inline void thread_info_base::deallocate(awaitable_frame_tag, thread_info_base*, void* memory,
                                         std::size_t size) {
    net::FramePool::give(memory, size);
}

}  // namespace boost::asio::detail
#endif
