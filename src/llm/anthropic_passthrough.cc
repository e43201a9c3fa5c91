#include "llm/anthropic_passthrough.h"

#include "llm/anthropic_rules.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/splice.h"

#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using namespace anthropic;
using std::string_view;

/// Defaults in OpenAI's words that Messages do not know.
constexpr auto kOpenAiOnly = std::to_array<string_view>(
    {"max_completion_tokens", "reasoning_effort", "stop", "seed", "n", "user", "response_format",
     "frequency_penalty", "presence_penalty", "parallel_tool_calls"});

/// What the newest models refuse.
constexpr auto kSamplers = std::to_array<string_view>({"temperature", "top_p", "top_k"});

bool unsigned_thinking(string_view block) {
    if (json::member(block, "type") != "\"thinking\"") return false;
    return !signed_here({.kind = Part::Kind::thinking, .signature = text_of(block, "signature")});
}

/// The type of a message's first block; empty for a plain text.
std::string first_type(string_view message) {
    std::string type;
    for_each_element(json::member(message, "content"), [&type](string_view block) {
        if (type.empty() && !unsigned_thinking(block)) type = text_of(block, "type");
    });
    return type;
}

class PassthroughCall {
public:
    PassthroughCall(const ChatRequest& request, const Upstream& upstream)
        : request_(request),
          upstream_(upstream),
          model_(model_named(upstream.model)),
          splice_(request.body),
          object_(splice_, string_view(request.body).substr(request.body.find('{'))) {}

    Call build();

private:
    string_view value(string_view key) const {
        const Member* member = request_.find(key);
        return member ? request_.text(member->value) : string_view();
    }
    bool dropped(string_view key) const {
        return std::ranges::find(upstream_.drop, key) != upstream_.drop.end();
    }
    bool refused(string_view key) const {
        return model_.strict() && std::ranges::find(kSamplers, key) != kSamplers.end() &&
               std::ranges::find(upstream_.allow, key) == upstream_.allow.end();
    }
    void member(const Member& member);
    void max_tokens(string_view value);
    void thinking(string_view whole, string_view value);
    void adaptive_thinking(string_view whole, string_view value);
    void messages(string_view list);
    bool lacks_thinking() const;
    void remove(string_view key, string_view whole, string_view why);
    void add_missing();

    const ChatRequest& request_;
    const Upstream& upstream_;
    Model model_;
    Splice splice_;
    ObjectEdit object_;
    Call call_;
};

void PassthroughCall::remove(string_view key, string_view whole, string_view why) {
    object_.remove(whole);
    call_.changes.push_back(fmt::format("removed {}{}", key, why));
}

void PassthroughCall::member(const Member& member) {
    string_view whole = request_.text(member.whole);
    string_view value = request_.text(member.value);
    auto set = std::ranges::find(upstream_.overrides, member.key, &Extra::key);
    if (set != upstream_.overrides.end()) {
        object_.keep(whole);
        splice_.replace(value, set->json);
        call_.changes.push_back(fmt::format("set {}", member.key));
    } else if (dropped(member.key) || refused(member.key)) {
        remove(member.key, whole, "");
    } else if (member.key == "output_config" && model_.version == 0) {
        remove(member.key, whole, "");
    } else if (member.key == "thinking") {
        model_.strict() ? adaptive_thinking(whole, value) : thinking(whole, value);
    } else {
        object_.keep(whole);
        if (member.key == "model") splice_.replace(value, json::quote(upstream_.model));
        if (member.key == "max_tokens") max_tokens(value);
        if (member.key == "messages" && model_.version > 0) messages(value);
    }
}

void PassthroughCall::max_tokens(string_view value) {
    std::optional<std::uint64_t> asked = json::count(value);
    if (!asked || !upstream_.max_output_tokens || *asked <= *upstream_.max_output_tokens) return;
    splice_.replace(value, std::to_string(*upstream_.max_output_tokens));
    call_.changes.push_back(fmt::format("lowered max_tokens to {}", *upstream_.max_output_tokens));
}

/// The newest models think as much as they find right: they take no budget, and no `disabled`.
void PassthroughCall::adaptive_thinking(string_view whole, string_view value) {
    string_view type = json::member(value, "type");
    if (type == "\"disabled\"") return remove("thinking", whole, ": it can't be switched off");
    object_.keep(whole);
    if (type != "\"enabled\"") return;
    const std::string unbounded = without_member(value, "budget_tokens");
    Splice changed(unbounded);
    changed.replace(json::member(unbounded, "type"), R"("adaptive")");
    splice_.replace(value, changed.apply());
    call_.changes.push_back("changed thinking to adaptive");
}

/// Older models and other companies' know no adaptive thinking; all want a budget below
/// max_tokens, and results of tools that answer signed thinking.
void PassthroughCall::thinking(string_view whole, string_view value) {
    const std::string type = text_of(value, "type");
    const bool adapt = type == "adaptive" && !model_.adaptive();
    if (model_.version > 0 && (type == "enabled" || adapt) && lacks_thinking())
        return remove("thinking", whole, ": the last assistant's turn has no signed thinking");
    std::optional<std::uint64_t> budget = json::count(json::member(value, "budget_tokens"));
    std::uint64_t most = json::count(this->value("max_tokens")).value_or(kDefaultMaxTokens);
    if (upstream_.max_output_tokens) most = std::min(most, *upstream_.max_output_tokens);
    const bool too_much = type == "enabled" && budget && *budget >= most;
    if (!adapt && !too_much) return object_.keep(whole);
    if (most <= kLeastBudget) return remove("thinking", whole, ": max_tokens leave no room for it");
    const std::string effort = text_of(this->value("output_config"), "effort");
    const std::uint64_t wanted = budget.value_or(budget_of(effort).value_or(8192));
    const std::uint64_t tokens = std::max(std::min(wanted, most / 2), kLeastBudget);
    object_.keep(whole);
    splice_.replace(value, fmt::format(R"({{"type":"enabled","budget_tokens":{}}})", tokens));
    call_.changes.push_back(fmt::format("changed thinking to a budget of {} tokens", tokens));
}

/// True if results of tools answer a turn that does not begin with signed thinking.
bool PassthroughCall::lacks_thinking() const {
    string_view last, before;
    for_each_element(value("messages"), [&](string_view message) {
        before = last;
        last = message;
    });
    if (json::member(last, "role") != "\"user\"" || first_type(last) != "tool_result") return false;
    const std::string first = first_type(before);
    return first != "thinking" && first != "redacted_thinking";
}

/// Thinking of others than Anthropic, as it stands in a conversation that several models share.
void PassthroughCall::messages(string_view list) {
    if (list.find("\"thinking\"") == list.npos) return;
    for_each_element(list, [this](string_view message) {
        string_view content = json::member(message, "content");
        std::vector<string_view> blocks;
        for_each_element(content, [&](string_view block) { blocks.push_back(block); });
        if (std::ranges::none_of(blocks, unsigned_thinking)) return;
        note(call_.changes, "removed messages[].thinking without a signature of Anthropic's");
        if (std::ranges::all_of(blocks, unsigned_thinking))
            return splice_.replace(content, R"([{"type":"text","text":"OK."}])");
        ObjectEdit edit(splice_, content);
        for (string_view block : blocks) {
            if (unsigned_thinking(block))
                edit.remove(block);
            else
                edit.keep(block);
        }
        edit.finish();
    });
}

void PassthroughCall::add_missing() {
    for (const Extra& extra : upstream_.overrides) {
        if (request_.find(extra.key)) continue;
        object_.add(extra.key, extra.json);
        call_.changes.push_back(fmt::format("set {}", extra.key));
    }
    for (const Extra& extra : upstream_.defaults) {
        const bool set = request_.find(extra.key) || dropped(extra.key) || refused(extra.key) ||
                         std::ranges::find(upstream_.overrides, extra.key, &Extra::key) !=
                             upstream_.overrides.end();
        if (set || std::ranges::find(kOpenAiOnly, extra.key) != kOpenAiOnly.end()) continue;
        object_.add(extra.key, extra.json);
        call_.changes.push_back(fmt::format("added default {}", extra.key));
    }
}

Call PassthroughCall::build() {
    for (const Member& one : request_.members) member(one);
    add_missing();
    object_.finish();
    call_.path = "/v1/messages";
    if (model_.version > 0) call_.client_headers = {"anthropic-beta"};
    call_.body = splice_.apply();
    return std::move(call_);
}

}  // namespace

base::Result<Call> AnthropicPassthrough::call(const ChatRequest& request,
                                              const Upstream& upstream) const {
    return PassthroughCall(request, upstream).build();
}

}  // namespace llm
