#include "store/usage_log.h"

#include <functional>
#include <string_view>
#include <utility>

namespace store {

namespace {

std::uint64_t hash_of(const UsageRow& row) {
    std::uint64_t hash = static_cast<std::uint64_t>(row.second);
    for (const std::string* part : {&row.target, &row.alias, &row.tier, &row.outcome})
        hash = (hash ^ std::hash<std::string_view>{}(*part)) * 0x9E3779B97F4A7C15U;
    return hash ^ (hash >> 32U);
}

bool alike(const UsageRow& a, const UsageRow& b) {
    return a.second == b.second && a.target == b.target && a.alias == b.alias && a.tier == b.tier &&
           a.outcome == b.outcome;
}

void add_up(UsageRow& sum, const UsageRow& row) {
    sum.calls += row.calls;
    sum.input_tokens += row.input_tokens;
    sum.cached_tokens += row.cached_tokens;
    sum.output_tokens += row.output_tokens;
    sum.estimated += row.estimated;
    sum.cost_usd += row.cost_usd;
    sum.ms += row.ms;
}

}  // namespace

UsageLog::Place& UsageLog::place(const UsageRow& row) {
    const std::uint64_t hash = hash_of(row);
    for (std::size_t i = hash % kPlaces;; i = (i + 1) % kPlaces) {
        Place& found = places_[i];
        if (found.round != round_) {
            found.hash = hash;
            return found;
        }
        if (found.hash == hash && alike(*found.row, row)) return found;
    }
}

void UsageLog::forget_places() {
    ++round_;
    placed_ = 0;
}

void UsageLog::add(UsageRow&& row) {
    const std::lock_guard lock(mutex_);
    Place& spot = place(row);
    if (spot.round == round_) {
        add_up(*spot.row, row);
        return;
    }
    if (rows_.size() + taken_ >= most_) {
        ++lost_;
        return;
    }
    spot.row = &rows_.emplace_back(std::move(row));
    spot.round = round_;
    if (++placed_ == kPlaces / 2) forget_places();
}

std::deque<UsageRow> UsageLog::take() {
    std::deque<UsageRow> rows;
    const std::lock_guard lock(mutex_);
    rows.swap(rows_);
    taken_ += rows.size();
    forget_places();
    return rows;
}

void UsageLog::saved() {
    const std::lock_guard lock(mutex_);
    taken_ = 0;
}

UsageLog::Counts UsageLog::counts() const {
    const std::lock_guard lock(mutex_);
    return {rows_.size() + taken_, lost_};
}

}  // namespace store
