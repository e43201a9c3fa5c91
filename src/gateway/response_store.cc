#include "gateway/response_store.h"

namespace gateway {

std::size_t ResponseStore::size(const Entry& entry) {
    return entry.first.size() + entry.second->response.size() + entry.second->items.size();
}

void ResponseStore::forget(std::list<Entry>::iterator entry) {
    bytes_ -= size(*entry);
    by_id_.erase(entry->first);
    entries_.erase(entry);
}

void ResponseStore::keep(const std::string& id, Kept kept) {
    Entry entry{id, std::make_shared<const Kept>(std::move(kept))};
    const std::size_t bytes = size(entry);
    const std::lock_guard lock(mutex_);
    if (const auto old = by_id_.find(id); old != by_id_.end()) forget(old->second);
    if (bytes > bounds_.bytes) return;
    while (!entries_.empty() &&
           (bytes_ + bytes > bounds_.bytes || entries_.size() >= bounds_.entries))
        forget(entries_.begin());
    bytes_ += bytes;
    entries_.push_back(std::move(entry));
    by_id_.emplace(id, std::prev(entries_.end()));
}

std::shared_ptr<const ResponseStore::Kept> ResponseStore::find(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second->second;
}

bool ResponseStore::remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    forget(found->second);
    return true;
}

}  // namespace gateway
