#pragma once

#include "store/store.h"

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>

namespace store {

/// Usage rows on their way to the disk. Any thread adds, one thread takes them out whole. Calls of
/// one second that ended alike are added up in place, without an allocation: it stands on the
/// request path.
class UsageLog {
public:
    /// At most `most` rows wait, those taken and not yet saved among them.
    explicit UsageLog(std::size_t most) : most_(most) {}

    void add(UsageRow&& row);

    /// All rows so far, oldest first. They count as waiting until saved().
    std::deque<UsageRow> take();
    void saved();

    struct Counts {
        std::uint64_t waiting = 0;
        std::uint64_t lost = 0;  ///< dropped because `most` waited
    };
    Counts counts() const;

private:
    static constexpr std::size_t kPlaces = 1024;  ///< power of two
    /// Where a recent row of some hash stands; of an older round: free.
    struct Place {
        std::uint64_t hash = 0;
        std::uint64_t round = 0;
        UsageRow* row = nullptr;
    };
    /// The place of the row that `row` may be added to, or the free one for it.
    Place& place(const UsageRow& row);
    void forget_places();

    const std::size_t most_;
    mutable std::mutex mutex_;
    std::deque<UsageRow> rows_;  ///< a deque: rows never move, so no add() pays for moving them
    std::array<Place, kPlaces> places_{};
    std::uint64_t round_ = 1;
    std::size_t placed_ = 0;
    std::size_t taken_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace store
