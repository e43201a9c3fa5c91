#pragma once

#include "store/answer_cache.h"

#include <cstdint>
#include <deque>
#include <mutex>

namespace store {

/// Answers to keep, on their way to the disk. Any thread adds, one thread takes. What finds no
/// place is kept in memory only.
class AnswerLog {
public:
    static constexpr std::size_t kMostWaitingBytes = 16u << 20;

    struct Changes {
        bool clear = false;  ///< all that was saved before goes first
        std::deque<KeptAnswerPtr> added;
        bool empty() const { return !clear && added.empty(); }
    };

    void add(KeptAnswerPtr answer);
    void clear();
    /// All changes so far.
    Changes take();

private:
    std::mutex mutex_;
    Changes changes_;
    std::size_t waiting_bytes_ = 0;
};

}  // namespace store
