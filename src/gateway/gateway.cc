#include "gateway/gateway.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {

void LearnedRejects::learn(const std::string& target, const std::string& member) {
    const std::lock_guard lock(mutex_);
    if (members_.size() >= kMostTargets && !members_.contains(target)) return;
    auto& known = members_[target];
    if (known.size() < kMostMembers && std::find(known.begin(), known.end(), member) == known.end())
        known.push_back(member);
    any_ = true;
}

std::vector<std::string> LearnedRejects::of(const std::string& target) const {
    if (!any_.load(std::memory_order_relaxed)) return {};
    const std::lock_guard lock(mutex_);
    const auto found = members_.find(target);
    return found == members_.end() ? std::vector<std::string>() : found->second;
}

bool InFlight::take(const config::Target& target, std::optional<Slot>& slot) {
    if (!target.max_parallel_requests) return true;
    const std::lock_guard lock(mutex_);
    std::atomic<int>& count = counts_[target.id];
    if (count.load() >= *target.max_parallel_requests) return false;
    count.fetch_add(1);
    slot.emplace(&count);
    return true;
}

namespace {

/// Complete header lines of the upstream request, key included.
std::string upstream_headers(const config::Target& target, bool stream) {
    std::string out = "Content-Type: application/json\r\nUser-Agent: freeway/" FREEWAY_VERSION "\r\n";
    net::append_header(out, "Accept", stream ? "text/event-stream, application/json" : "application/json");
    if (target.provider == base::Provider::anthropic) net::append_header(out, "anthropic-version", "2023-06-01");
    if (target.provider == base::Provider::openrouter) {
        net::append_header(out, "HTTP-Referer", "http://localhost:4000");
        net::append_header(out, "X-OpenRouter-Title", "freeway");
        net::append_header(out, "X-Title", "freeway");
    }
    for (const auto& [name, value] : target.headers) net::append_header(out, name, value);
    if (!target.key.empty()) {
        if (target.provider == base::Provider::anthropic)
            net::append_header(out, "x-api-key", target.key.reveal());
        else
            net::append_header(out, "Authorization", "Bearer " + std::string(target.key.reveal()));
    }
    return out;
}

}  // namespace

const Way& Ways::to(const config::Target& target) {
    const auto known = ways_.find(&target);
    if (known != ways_.end()) return known->second;
    Way way{net::Origin({target.base.tls, target.base.host, target.base.port}), upstream_headers(target, false),
            upstream_headers(target, true)};
    return ways_.emplace(&target, std::move(way)).first->second;
}

std::string Lane::next_id() { return fmt::format("req_{}{:x}{:06x}", id_prefix, worker.number, ++counter); }

}  // namespace gateway
