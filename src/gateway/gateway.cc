#include "gateway/gateway.h"

#include <fmt/compile.h>

#include <algorithm>
#include <array>

namespace gateway {

bool LearnedRejects::may_go(std::string_view member) {
    constexpr auto kHints = std::to_array<std::string_view>({"cache_prompt",
                                                             "frequency_penalty",
                                                             "logit_bias",
                                                             "logprobs",
                                                             "metadata",
                                                             "min_p",
                                                             "mirostat",
                                                             "mirostat_eta",
                                                             "mirostat_tau",
                                                             "parallel_tool_calls",
                                                             "prediction",
                                                             "presence_penalty",
                                                             "prompt_cache_key",
                                                             "prompt_cache_retention",
                                                             "random_seed",
                                                             "reasoning_effort",
                                                             "repeat_penalty",
                                                             "repetition_penalty",
                                                             "safety_identifier",
                                                             "seed",
                                                             "service_tier",
                                                             "store",
                                                             "stream_options",
                                                             "temperature",
                                                             "tfs_z",
                                                             "top_a",
                                                             "top_k",
                                                             "top_logprobs",
                                                             "top_p",
                                                             "typical_p",
                                                             "user",
                                                             "verbosity"});
    return std::ranges::find(kHints, member) != kHints.end();
}

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
    return take(counts_[target.id], *target.max_parallel_requests, slot);
}

bool InFlight::take(std::atomic<int>& count, int most, std::optional<Slot>& slot) {
    int under_way = count.load();
    do {
        if (under_way >= most) return false;
    } while (!count.compare_exchange_weak(under_way, under_way + 1));
    slot.emplace(&count);
    return true;
}

namespace {

/// Complete header lines of every upstream request, key included.
std::string upstream_headers(const config::Target& target) {
    std::string out = "User-Agent: freeway/" FREEWAY_VERSION "\r\n";
    if (target.provider == base::Provider::anthropic)
        net::append_header(out, "anthropic-version", "2023-06-01");
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

std::vector<llm::Extra> extras(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::vector<llm::Extra> list;
    for (const auto& [key, json] : pairs) list.push_back({key, json});
    return list;
}

}  // namespace

const Way& Ways::to(const config::Target& target) {
    const auto known = ways_.find(&target);
    if (known != ways_.end()) return known->second;
    Way way{net::Origin({target.base.tls, target.base.host, target.base.port}),
            upstream_headers(target), extras(target.defaults), extras(target.overrides),
            device::use_of(*catalog(), target)};
    return ways_.emplace(&target, std::move(way)).first->second;
}

std::string Lane::next_id() {
    return fmt::format(FMT_COMPILE("req_{}{:x}{:06x}"), id_prefix, worker.number, ++counter);
}

}  // namespace gateway
