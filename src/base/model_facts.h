#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace base {

/// What a service says of a model that it serves.
struct ModelFacts {
    bool completion = false;  ///< answers prompts; one that only embeds does not
    bool tools = false;
    bool vision = false;
    bool thinking = false;
    bool embedding = false;
    std::optional<std::uint64_t> context{};  ///< tokens that the model was made for
    bool operator==(const ModelFacts&) const = default;
};

/// By the id of the target that serves it; immutable once it is shown.
using FactTable = std::map<std::string, ModelFacts, std::less<>>;

/// Where the puller shows what it has learned, to all threads. Looking takes no lock while nothing
/// is known.
class FactBoard {
public:
    void show(std::shared_ptr<const FactTable> facts) {
        const std::lock_guard lock(mutex_);
        any_ = facts && !facts->empty();
        facts_.swap(facts);
    }
    /// nullptr: nothing is known.
    std::shared_ptr<const FactTable> all() const {
        if (!any_.load(std::memory_order_relaxed)) return nullptr;
        const std::lock_guard lock(mutex_);
        return facts_;
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const FactTable> facts_;
    std::atomic<bool> any_{false};
};

}  // namespace base
