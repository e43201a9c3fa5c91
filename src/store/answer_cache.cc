#include "store/answer_cache.h"

#include <utility>

namespace store {

namespace {

/// What an entry costs beside its texts.
constexpr std::size_t kOverhead = 256;

}  // namespace

std::size_t KeptAnswer::bytes() const {
    return kOverhead + key.size() + served_by.size() + body.size();
}

void AnswerCache::drop(Order::iterator place, Order& dropped) {
    counts_.bytes -= (*place)->bytes();
    --counts_.answers;
    by_key_.erase((*place)->key);
    dropped.splice(dropped.begin(), order_, place);
}

void AnswerCache::make_room(Order& dropped) {
    while (counts_.answers > kMostAnswers || counts_.bytes > counts_.most_bytes) {
        drop(std::prev(order_.end()), dropped);
        ++counts_.evicted;
    }
}

KeptAnswerPtr AnswerCache::find(std::string_view key, std::int64_t now, std::int64_t not_before) {
    Order dropped;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
        ++counts_.misses;
        return nullptr;
    }
    const Order::iterator place = found->second;
    if ((*place)->expires <= now) drop(place, dropped);
    if (!dropped.empty() || (*place)->stored < not_before) {
        ++counts_.misses;
        return nullptr;
    }
    ++counts_.hits;
    order_.splice(order_.begin(), order_, place);
    return *place;
}

bool AnswerCache::put(KeptAnswerPtr answer) {
    if (answer->bytes() > kMostBytesEach) return false;
    Order added{std::move(answer)};
    Order dropped;
    const std::lock_guard lock(mutex_);
    if (const auto same = by_key_.find(added.front()->key); same != by_key_.end())
        drop(same->second, dropped);
    order_.splice(order_.begin(), added);
    by_key_.emplace(order_.front()->key, order_.begin());
    ++counts_.answers;
    ++counts_.stored;
    counts_.bytes += order_.front()->bytes();
    make_room(dropped);
    return true;
}

bool AnswerCache::restore(KeptAnswerPtr answer, std::int64_t now) {
    const std::size_t bytes = answer->bytes();
    const std::lock_guard lock(mutex_);
    if (cleared_) return false;
    if (answer->expires <= now || bytes > kMostBytesEach || by_key_.contains(answer->key))
        return true;
    if (counts_.answers >= kMostAnswers || counts_.bytes + bytes > counts_.most_bytes) return false;
    order_.push_back(std::move(answer));
    by_key_.emplace(order_.back()->key, std::prev(order_.end()));
    ++counts_.answers;
    counts_.bytes += bytes;
    return true;
}

void AnswerCache::clear() {
    Order dropped;
    const std::lock_guard lock(mutex_);
    by_key_.clear();
    dropped.swap(order_);
    counts_.answers = counts_.bytes = 0;
    cleared_ = true;
}

void AnswerCache::set_most_bytes(std::size_t bytes) {
    Order dropped;
    const std::lock_guard lock(mutex_);
    counts_.most_bytes = bytes;
    make_room(dropped);
}

AnswerCache::Counts AnswerCache::counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
}

}  // namespace store
