#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace store {

/// A whole answer as a client got it, for who asks the same again.
struct KeptAnswer {
    std::string key;           ///< of the question: see gateway::question_key
    std::string served_by;     ///< the alias that gave it
    std::string body;          ///< in the client's protocol
    std::int64_t stored = 0;   ///< epoch seconds
    std::int64_t expires = 0;  ///< epoch seconds

    std::size_t bytes() const;
};
using KeptAnswerPtr = std::shared_ptr<const KeptAnswer>;

/// The answers that are at hand, in memory, those used last kept longest. Any thread; the lock is
/// held for a look-up or a link's change, never for a copy of an answer.
class AnswerCache {
public:
    static constexpr std::size_t kMostAnswers = 50'000;
    /// A larger answer is not kept.
    static constexpr std::size_t kMostBytesEach = 4u << 20;

    struct Counts {
        std::size_t answers = 0;
        std::size_t bytes = 0;
        std::size_t most_bytes = 0;
        std::uint64_t hits = 0;
        std::uint64_t misses = 0;
        std::uint64_t stored = 0;
        std::uint64_t evicted = 0;  ///< for lack of room
    };

    /// nullptr: none, or it has expired, or it was stored before `not_before` (epoch seconds).
    KeptAnswerPtr find(std::string_view key, std::int64_t now, std::int64_t not_before);
    /// Takes the place of an older answer to the same. False: it is too large.
    bool put(KeptAnswerPtr answer);
    /// One of an earlier run, as if it had been used before all others. False: no more of them
    /// are wanted.
    bool restore(KeptAnswerPtr answer, std::int64_t now);
    void clear();
    void set_most_bytes(std::size_t bytes);
    Counts counts() const;

private:
    using Order = std::list<KeptAnswerPtr>;  ///< used last in front
    void drop(Order::iterator place, Order& dropped);
    void make_room(Order& dropped);

    mutable std::mutex mutex_;
    Order order_;
    std::unordered_map<std::string_view, Order::iterator> by_key_;
    bool cleared_ = false;
    Counts counts_{.most_bytes = 64u << 20};
};

}  // namespace store
