#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace gateway {

/// What is kept at most.
struct ResponseBounds {
    std::size_t entries = 1000;
    std::size_t bytes = 64u << 20;
};

/// Answered conversations by the id of their Response, so that a client can go on from one with
/// whatever target. In memory, shared by all workers, forgotten at restart; bounded: the oldest
/// go first.
class ResponseStore {
public:
    struct Kept {
        std::string response;  ///< the Response object
        std::string items;     ///< all that has been said, as items of an `input`
    };

    ResponseStore() = default;
    explicit ResponseStore(ResponseBounds bounds) : bounds_(bounds) {}

    /// One that is larger than everything that may be kept is not kept.
    void keep(const std::string& id, Kept kept);
    std::shared_ptr<const Kept> find(const std::string& id) const;
    /// False: it is not there.
    bool remove(const std::string& id);

private:
    using Entry = std::pair<std::string, std::shared_ptr<const Kept>>;
    static std::size_t size(const Entry& entry);
    void forget(std::list<Entry>::iterator entry);

    ResponseBounds bounds_;
    mutable std::mutex mutex_;
    std::list<Entry> entries_;  ///< oldest first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_id_;
    std::size_t bytes_ = 0;
};

}  // namespace gateway
