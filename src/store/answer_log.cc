#include "store/answer_log.h"

#include <utility>

namespace store {

void AnswerLog::add(KeptAnswerPtr answer) {
    const std::size_t bytes = answer->bytes();
    const std::lock_guard lock(mutex_);
    if (waiting_bytes_ + bytes > kMostWaitingBytes) return;
    waiting_bytes_ += bytes;
    changes_.added.push_back(std::move(answer));
}

void AnswerLog::clear() {
    std::deque<KeptAnswerPtr> dropped;
    const std::lock_guard lock(mutex_);
    dropped.swap(changes_.added);
    changes_.clear = true;
    waiting_bytes_ = 0;
}

AnswerLog::Changes AnswerLog::take() {
    const std::lock_guard lock(mutex_);
    waiting_bytes_ = 0;
    return std::exchange(changes_, {});
}

}  // namespace store
