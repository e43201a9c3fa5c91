#include "route/record.h"

#include "base/units.h"

#include <fmt/compile.h>
#include <boost/json.hpp>

#include <algorithm>

namespace route {

namespace json = boost::json;

int Record::attempts() const {
    int calls = 0;
    for (const Step& step : steps)
        if (step.skip == Skip::none) calls += step.calls;
    return calls;
}

std::string Record::trail() const {
    std::string out;
    if (cache.starts_with("hit")) out = "cache=hit";
    for (const Step& step : steps) {
        if (!out.empty()) out += ", ";
        out += step.alias;
        if (step.skip != Skip::none)
            fmt::format_to(std::back_inserter(out), "=skipped:{}", name(step.skip));
        else if (step.outcome == llm::Outcome::served)
            fmt::format_to(std::back_inserter(out), FMT_COMPILE("={}{}"), step.status,
                           step.carried_on ? ":carried_on" : "");
        else if (step.status != 0)
            fmt::format_to(std::back_inserter(out), "={}:{}", step.status, llm::name(step.outcome));
        else
            fmt::format_to(std::back_inserter(out), "={}", llm::name(step.outcome));
    }
    return out;
}

json::object to_json(const Step& step) {
    json::object out;
    out["alias"] = step.alias;
    if (step.target != step.alias) out["target"] = step.target;
    out["verdict"] = step.skip == Skip::none ? "go" : "skip";
    if (step.skip == Skip::none) {
        out["outcome"] = llm::name(step.outcome);
        if (step.status != 0)
            out["status"] = step.status;
        else
            out["status"] = nullptr;
        out["at_ms"] = step.at.count();
        out["ms"] = step.took.count();
    } else {
        out["outcome"] = fmt::format("skipped:{}", name(step.skip));
        out["status"] = nullptr;
        out["ms"] = 0;
    }
    if (step.skip == Skip::none && step.calls > 1) out["calls"] = step.calls;
    if (step.carried_on) out["carried_on"] = true;
    if (!step.detail.empty()) out["detail"] = step.detail;
    if (step.usage.load_ms > 0) out["load_ms"] = step.usage.load_ms;
    if (step.back_in) out["back_in_s"] = static_cast<double>(step.back_in->count()) / 1000;
    if (!step.changes.empty())
        out["changes"] = json::array(step.changes.begin(), step.changes.end());
    return out;
}

namespace {
json::object usage_json(const llm::Usage& usage) {
    json::object out;
    out["prompt_tokens"] = usage.prompt;
    out["completion_tokens"] = usage.completion;
    out["total_tokens"] = usage.prompt + usage.completion;
    if (usage.cached > 0) out["cached_tokens"] = usage.cached;
    if (usage.reasoning > 0) out["reasoning_tokens"] = usage.reasoning;
    if (usage.cost_usd) out["cost_usd"] = *usage.cost_usd;
    out["estimated"] = usage.estimated;
    return out;
}
}  // namespace

json::object to_json(const Record& record) {
    json::object out;
    out["id"] = record.id;
    out["time"] = base::rfc3339(record.time);
    out["model"] = record.asked;
    out["stream"] = record.stream;
    out["status"] = record.status;
    if (record.served_by.empty())
        out["served_by"] = nullptr;
    else
        out["served_by"] = record.served_by;
    out["attempts"] = record.attempts();
    out["trail"] = record.trail();
    if (!record.cache.empty()) out["cache"] = record.cache;
    out["ms"] = record.took.count();
    json::array steps;
    for (const Step& step : record.steps) steps.push_back(to_json(step));
    out["candidates"] = std::move(steps);
    if (record.usage.known || record.usage.estimated) out["usage"] = usage_json(record.usage);
    if (!record.error.empty()) out["error"] = record.error;
    return out;
}

json::object to_json(const Decision& decision, const Ask& ask) {
    json::object out;
    out["model"] = ask.model;
    json::object needs;
    needs["tools"] = ask.tools;
    needs["vision"] = ask.vision;
    needs["audio_input"] = ask.audio;
    needs["documents"] = ask.documents;
    needs["json_schema"] = ask.json_schema;
    needs["streaming"] = ask.stream;
    needs["choices"] = ask.choices;
    needs["prompt_bytes"] = ask.prompt_bytes;
    if (ask.inputs > 0) needs["inputs"] = ask.inputs;
    out["needs"] = std::move(needs);
    json::array list;
    bool first = true;
    for (const Candidate& candidate : decision.candidates) {
        json::object row;
        row["alias"] = candidate.target->alias;
        if (candidate.target->id != candidate.target->alias) row["target"] = candidate.target->id;
        row["provider"] = base::name(candidate.target->provider);
        row["model"] = candidate.model;
        row["tier"] = config::name(candidate.target->tier);
        row["verdict"] = candidate.skip == Skip::none ? "go" : "skip";
        if (candidate.skip != Skip::none) row["reason"] = name(candidate.skip);
        if (!candidate.why.empty()) row["why"] = candidate.why;
        if (candidate.back_in)
            row["back_in_s"] = static_cast<double>(candidate.back_in->count()) / 1000;
        if (candidate.skip == Skip::none && first) {
            out["would_ask"] = candidate.target->alias;
            first = false;
        }
        list.push_back(std::move(row));
    }
    if (first) out["would_ask"] = nullptr;
    out["candidates"] = std::move(list);
    return out;
}

json::object to_json(const Bench& bench, base::Now now) {
    const auto left = std::chrono::ceil<base::Duration>(bench.until - now.steady);
    const std::size_t colon = bench.key.find(':');
    json::object out;
    out["scope"] = bench.key.substr(0, colon);
    out["name"] = bench.key.substr(colon + 1);
    out["cause"] = llm::name(bench.cause);
    out["source"] = name(bench.source);
    out["until"] = base::rfc3339(now.wall + left);
    out["back_in_s"] = static_cast<double>(left.count()) / 1000;
    out["failures"] = bench.strikes;
    if (!bench.detail.empty()) out["detail"] = bench.detail;
    return out;
}

void Records::add(std::shared_ptr<const Record> record) {
    std::shared_ptr<const Record> oldest;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    records_.push_back(std::move(record));
    if (records_.size() > kMost) {
        oldest = std::move(records_.front());
        records_.pop_front();
    }
}

std::shared_ptr<const Record> Records::find(std::string_view id) const {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(records_.rbegin(), records_.rend(),
                                    [&](const auto& r) { return r->id == id; });
    return found == records_.rend() ? nullptr : *found;
}

}  // namespace route
