#include "quota/tab.h"

#include <algorithm>
#include <cmath>

namespace quota {

using base::Provider;

bool reserves_output(Provider provider) {
    return provider == Provider::groq || provider == Provider::cerebras ||
           provider == Provider::openai;
}

namespace {

/// No bucket counts more: whole numbers up to here are exact.
constexpr double kMostUnits = 1e15;

/// What the request itself states.
double units(Metric metric, const Work& work) {
    switch (metric) {
        case Metric::requests: return static_cast<double>(work.calls);
        case Metric::concurrency: return 1;
        case Metric::audio_seconds: return work.audio_seconds;
        case Metric::images: return work.images;
        case Metric::inputs: return work.inputs;
        default: return 0;
    }
}

}  // namespace

double Tab::need(const Bucket& bucket, const Work& work) const {
    const double unknown =
        bucket.limit_source() == Source::header ? Estimate::kAnswerTold : Estimate::kAnswer;
    const auto max_tokens = work.max_tokens ? work.max_tokens : default_max_tokens;
    const auto input = [&] { return estimate.prompt(work.prompt_bytes); };
    const auto output = [&] {
        return max_tokens && reserves_output(target->provider)
                   ? static_cast<double>(*max_tokens)
                   : estimate.answer(max_tokens, unknown);
    };
    switch (bucket.rule().metric) {
        case Metric::tokens: return input() + output();
        case Metric::input_tokens: return input();
        case Metric::output_tokens: return output();
        case Metric::usd:
            return cost({.input_tokens = input(),
                         .output_tokens = estimate.answer(max_tokens),
                         .images = work.images,
                         .audio_seconds = work.audio_seconds,
                         .characters = work.characters},
                        target->prices);
        default: return units(bucket.rule().metric, work);
    }
}

double Tab::least(Metric metric, const Work& work) const {
    const auto max_tokens = work.max_tokens ? work.max_tokens : default_max_tokens;
    const double input = Estimate::least_prompt(work.prompt_bytes);
    const double output =
        max_tokens && reserves_output(target->provider) ? static_cast<double>(*max_tokens) : 1;
    switch (metric) {
        case Metric::tokens: return input + output;
        case Metric::input_tokens: return input;
        case Metric::output_tokens: return output;
        case Metric::usd: return 0;
        default: return units(metric, work);
    }
}

double Tab::took(const Rule& rule, const Used& used) const {
    const double input = used.input_tokens - (rule.cached ? 0 : used.cached_tokens);
    switch (rule.metric) {
        case Metric::requests: return 1;
        case Metric::tokens: return std::max(0.0, input) + used.output_tokens;
        case Metric::input_tokens: return std::max(0.0, input);
        case Metric::output_tokens: return used.output_tokens;
        case Metric::audio_seconds: return used.audio_seconds;
        case Metric::images: return used.images;
        case Metric::inputs: return used.inputs;
        case Metric::usd: return cost(used, target->prices);
        case Metric::concurrency:
        case Metric::utilization: return 0;
    }
    return 0;
}

Slot* Tab::find(Metric metric, std::string_view window, std::string_view pool) {
    Slot* found = nullptr;
    for (Slot* slot : slots) {
        const Rule& rule = slot->bucket.rule();
        const bool of_pool = slot->scope == "pool" && slot->name.starts_with(pool) &&
                             slot->name.substr(pool.size()).starts_with('@');
        if (rule.metric != metric || (!pool.empty() && !of_pool)) continue;
        if (rule.window == window) return slot;
        if (!window.empty()) continue;
        if (found) return nullptr;  // two windows: it is not clear which one is meant
        found = slot;
    }
    return found;
}

Slot* Tab::place(const std::string& scope, const std::string& name, Rule rule, base::Now now) {
    const std::string key = scope + ':' + name + ' ' + label(rule);
    std::unique_ptr<Slot>& slot = shard.slots[key];
    if (!slot) {
        if (slots.size() >= kMostSlots && !rule.limit) return shard.slots.erase(key), nullptr;
        slot = std::make_unique<Slot>(scope, name, key, std::move(rule));
        const std::lock_guard lock(memory.mutex);
        const auto known = memory.saved.find(key);
        Mark* mark = memory.mark_of(key);
        Mark before = mark ? *mark : Mark{};
        for (double* figure : {&before.charged, &before.held})
            if (!(*figure >= 0 && *figure <= kMostUnits)) *figure = 0;
        // Without the saved state the sum may be of all times: at most everything is used.
        if (known == memory.saved.end() && slot->bucket.limit())
            before.charged = std::min(before.charged, *slot->bucket.limit());
        if (known != memory.saved.end() || before.charged > 0 || before.held > 0) {
            Saved saved{.key = key, .reset = slot->bucket.rule().reset};
            if (known != memory.saved.end()) saved = known->second;
            slot->bucket.restore(saved, mark ? &before : nullptr, now);
            memory.saved.erase(key);
        }
        if (mark) slot->bucket.attach(mark);
    }
    if (std::find(slots.begin(), slots.end(), slot.get()) == slots.end())
        slots.push_back(slot.get());
    bare.store(false, std::memory_order_release);
    return slot.get();
}

std::string scope_name(const config::Target& target, std::string_view scope,
                       std::string_view pool) {
    if (scope == "model") return target.account + '/' + target.model;
    if (scope == "account") return target.account;
    if (scope == "pool") return std::string(pool) + '@' + target.account;
    if (scope == "provider") return std::string(base::name(target.provider));
    return target.id;
}

Rule learned_rule(Provider provider, Metric metric, std::string window) {
    Rule rule;
    rule.metric = metric;
    rule.window = std::move(window);
    rule.span = span_of(rule.window);
    const bool refills = provider == Provider::groq || provider == Provider::cerebras ||
                         provider == Provider::openai || provider == Provider::anthropic;
    if (metric == Metric::utilization)
        rule.reset = Reset::first_use;
    else if (rule.window == "month")
        rule.reset = Reset::calendar_month;
    else if (refills)
        rule.reset = Reset::token_bucket;
    else if (provider == Provider::mistral || rule.window == "day")
        rule.reset = Reset::fixed;
    rule.cached = provider != Provider::groq && provider != Provider::anthropic;
    return rule;
}

}  // namespace quota
