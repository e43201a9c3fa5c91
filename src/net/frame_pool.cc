#include "net/frame_pool.h"

#include <new>
#include <utility>

namespace net {

void* FramePool::make(std::size_t shelf, std::size_t size) {
    static thread_local Closing closing;
    (void)closing;
    if (!here_.closed) here_.most = kMostKept;
    return ::operator new(shelf < kShelves ? shelf * kStep : size);
}

FramePool::Closing::~Closing() {
    here_.most = 0;
    here_.closed = true;
    for (Frame*& shelf : here_.shelves)
        while (shelf) ::operator delete(std::exchange(shelf, shelf->next));
    here_.kept = 0;
}

}  // namespace net
