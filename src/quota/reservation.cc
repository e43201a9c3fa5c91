#include "quota/tab.h"

#include <algorithm>
#include <utility>

namespace quota {

Reservation::Reservation(Reservation&& other) noexcept
    : tab_(std::exchange(other.tab_, nullptr)),
      parts_(std::move(other.parts_)),
      calls_(other.calls_),
      prompt_bytes_(other.prompt_bytes_) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
    std::swap(tab_, other.tab_);
    std::swap(parts_, other.parts_);
    std::swap(calls_, other.calls_);
    std::swap(prompt_bytes_, other.prompt_bytes_);
    return *this;
}

Reservation::~Reservation() {
    if (!tab_ || parts_.empty()) return;
    const base::Now now = base::Now::read();
    const std::lock_guard lock(tab_->shard.mutex);
    give_back_further();
    for (const Part& part : parts_) {
        part.slot->bucket.lost(part.hold, now);
        part.slot->dirty = true;
    }
}

void Reservation::give_back_further() {
    const std::size_t own = present().size();
    for (std::size_t i = own; i < parts_.size(); ++i) {
        const bool slot = parts_[i].slot->bucket.rule().metric == Metric::concurrency;
        if (slot && parts_[i].hold.amount > 0) std::swap(parts_[i].hold, parts_[i % own].hold);
        parts_[i].slot->bucket.refund(parts_[i].hold);
    }
    parts_.resize(own);
    calls_ = 1;
}

Reservation::Part* Reservation::part_in(const Slot& slot) {
    for (Part& part : present())
        if (part.slot == &slot) return &part;
    return nullptr;
}

void Reservation::counted(base::Now now) {
    if (!tab_ || parts_.empty()) return;
    const std::lock_guard lock(tab_->shard.mutex);
    for (const Part& part : present()) part.slot->bucket.charge(part.hold, now);
}

void Reservation::served(const Used& used, std::uint64_t prompt_bytes, base::Now now) {
    if (!tab_ || parts_.empty() || calls_ < 2) return;
    const std::lock_guard lock(tab_->shard.mutex);
    tab_->estimate.learn(prompt_bytes, used.input_tokens, used.output_tokens);
    const std::span<Part> done = present();
    for (const Part& part : done) settle(part, used, now);
    parts_.erase(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(done.size()));
    calls_ -= 1;
    prompt_bytes_ -= std::min(prompt_bytes_, prompt_bytes);
}

void Reservation::settle(const Part& part, const Used& used, base::Now now) {
    Slot& slot = *part.slot;
    const double took = tab_->took(slot.bucket.rule(), used);
    slot.bucket.settle(part.hold, part.told ? std::max(took, part.hold.amount) : took, now);
    slot.good = std::max(slot.good, slot.bucket.charged_used(now));
    slot.dirty = true;
}

void Reservation::settle(const Used& used, base::Now now) {
    if (!tab_ || parts_.empty()) return;
    const std::lock_guard lock(tab_->shard.mutex);
    give_back_further();
    tab_->estimate.learn(prompt_bytes_, used.input_tokens, used.output_tokens);
    for (const Part& part : parts_) settle(part, used, now);
    tab_ = nullptr;
}

void Reservation::fail(bool refused, const Used& used, base::Now now) {
    Tab* tab = std::exchange(tab_, nullptr);
    if (!tab || parts_.empty()) return;
    const std::lock_guard lock(tab->shard.mutex);
    prompt_bytes_ /= calls_;
    give_back_further();
    Used worked = used;
    if (!refused && worked.input_tokens == 0)
        worked.input_tokens = tab->estimate.prompt(prompt_bytes_);
    for (const Part& part : parts_) {
        Bucket& bucket = part.slot->bucket;
        const Rule& rule = bucket.rule();
        const bool counts =
            rule.failures == Failures::all || (rule.failures == Failures::answered && !refused);
        if (counts)
            bucket.settle(part.hold,
                          refused && rule.metric != Metric::requests ? 0 : tab->took(rule, worked),
                          now);
        else
            bucket.refund(part.hold);
        part.slot->dirty = true;
    }
}

void Reservation::lost() { *this = Reservation(); }

void Reservation::unsent() {
    Tab* tab = std::exchange(tab_, nullptr);
    if (!tab || parts_.empty()) return;
    const std::lock_guard lock(tab->shard.mutex);
    for (const Part& part : parts_) {
        part.slot->bucket.refund(part.hold);
        part.slot->dirty = true;
    }
}

}  // namespace quota
