#include "llm/usage_json.h"

#include "llm/json.h"

#include <fmt/format.h>

namespace llm {
namespace {

constexpr std::uint64_t kBytesPerToken = 4;

void read_prompt_details(std::string_view details, Usage& usage) {
    usage.cached = json::count(json::member(details, "cached_tokens")).value_or(usage.cached);
    usage.cache_written = json::count(json::member(details, "cache_write_tokens")).value_or(0);
}

}  // namespace

std::uint64_t estimated_tokens(std::uint64_t bytes) {
    return (bytes + kBytesPerToken - 1) / kBytesPerToken;
}

Usage read_usage(std::string_view text) {
    Usage usage;
    if (!text.starts_with('{')) return usage;
    json::Cursor in(text);
    std::string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        std::string_view value = in.value();
        auto count = [value] { return json::count(value).value_or(0); };
        if (key == "prompt_tokens")
            usage.prompt = count();
        else if (key == "completion_tokens")
            usage.completion = count();
        else if (key == "num_cached_tokens")
            usage.cached = json::count(value).value_or(usage.cached);
        else if (key == "cost")
            usage.cost_usd = json::number(value);
        else if (key == "prompt_tokens_details")
            read_prompt_details(value, usage);
        else if (key == "completion_tokens_details")
            usage.reasoning = json::count(json::member(value, "reasoning_tokens")).value_or(0);
    }
    usage.known = usage.prompt > 0 || usage.completion > 0;
    return usage;
}

std::string usage_json(const Usage& usage) {
    std::string out =
        fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{})",
                    usage.prompt, usage.completion, usage.prompt + usage.completion);
    if (usage.cached > 0)
        out += fmt::format(R"(,"prompt_tokens_details":{{"cached_tokens":{}}})", usage.cached);
    if (usage.reasoning > 0)
        out += fmt::format(R"(,"completion_tokens_details":{{"reasoning_tokens":{}}})",
                           usage.reasoning);
    if (usage.estimated) out += R"(,"freeway_estimated":true)";
    out += '}';
    return out;
}

void show_cached(std::string_view usage, Splice& splice) {
    if (!usage.contains("cache")) return;  // as every name for such tokens does
    const Usage read = read_usage(usage);
    const std::string_view details = json::member(usage, "prompt_tokens_details");
    if (read.cached == 0 || json::count(json::member(details, "cached_tokens"))) return;
    std::string cached = fmt::format("\"cached_tokens\":{}", read.cached);
    if (details.starts_with('{'))
        splice.insert_first(details, std::move(cached));
    else if (!details.empty())
        splice.replace(details, '{' + cached + '}');
    else
        splice.insert_first(usage, "\"prompt_tokens_details\":{" + cached + '}');
}

Usage estimate_usage(const ChatRequest& request, std::uint64_t answer_bytes) {
    Usage usage;
    usage.prompt = estimated_tokens(request.prompt_bytes);
    usage.completion = estimated_tokens(answer_bytes);
    usage.estimated = true;
    return usage;
}

}  // namespace llm
