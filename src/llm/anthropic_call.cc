#include "llm/anthropic_messages.h"
#include "llm/anthropic_rules.h"
#include "llm/anthropic_upstream.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/parameters.h"
#include "llm/reasoning_effort.h"
#include "llm/tool_choice.h"

#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using namespace anthropic;
using std::string_view;

/// Members of a tool that Anthropic knows beside its own.
constexpr auto kToolExtras =
    std::to_array<string_view>({"cache_control", "eager_input_streaming", "defer_loading",
                                "input_examples", "allowed_callers"});

/// A schema whose type is `object`: nothing else is taken.
std::string object_schema(string_view schema) {
    if (!schema.starts_with('{') || json::blank(schema))
        return R"({"type":"object","properties":{}})";
    string_view type = json::member(schema, "type");
    if (type == "\"object\"") return std::string(schema);
    std::string out(schema);
    if (type.empty()) return out.insert(1, R"("type":"object",)");
    return out.replace(static_cast<std::size_t>(type.data() - schema.data()), type.size(),
                       "\"object\"");
}

/// Builds the body of one call.
class CallBuilder {
public:
    CallBuilder(const Chat& chat, const ChatRequest& request, const Upstream& upstream)
        : chat_(chat),
          request_(request),
          upstream_(upstream),
          model_(model_named(upstream.model)),
          binds_(upstream.json_schema && model_.version > 0),
          parameters_(chat, upstream),
          conversation_(changes_) {}

    base::Result<Call> build();

private:
    base::Result<void> read_messages();
    base::Result<void> read_format();
    base::Result<void> read_tools();
    void read_thinking();
    bool thinking_fits();
    void think(std::uint64_t budget, string_view effort);
    std::uint64_t max_tokens();
    std::string tools();
    void add_sampling();

    const Chat& chat_;
    const ChatRequest& request_;
    const Upstream& upstream_;
    Model model_;
    bool binds_;  ///< to a schema: others that speak the protocol know no output_config
    Parameters parameters_;
    std::vector<std::string> changes_;
    Conversation conversation_;
    std::vector<const Tool*> tools_;  ///< those that may be called
    std::string tool_choice_;         ///< JSON; empty: not sent
    bool forced_ = false;             ///< the choice names a tool, or any
    std::string thinking_;            ///< JSON; empty: not sent
    bool thinks_ = false;
    std::uint64_t budget_ = 0;  ///< tokens of thinking to leave room for
    ObjectWriter output_config_;
    ObjectWriter body_;
};

base::Result<void> CallBuilder::read_messages() {
    for (const Message& message : chat_.messages)
        if (auto added = conversation_.add(message); !added) return added;
    return {};
}

base::Result<void> CallBuilder::read_format() {
    string_view format = parameters_.get("response_format");
    const std::string type = text_of(format, "type");
    if (type == "json_object") {
        conversation_.instruct("Answer with one JSON object and nothing else.");
        changes_.emplace_back("added an instruction to answer with a JSON object");
    } else if (type == "json_schema") {
        string_view schema = json::member(format, "json_schema", "schema");
        if (!binds_)
            return base::fail(base::ErrorKind::unsupported,
                              "response_format: this target can't bind its answer to a schema");
        output_config_.set("format", fmt::format(R"({{"type":"json_schema","schema":{}}})",
                                                 schema.empty() ? "{}" : schema));
    }
    return {};
}

/// One tool is named by the choice, some of them by sending no others. `parallel_tool_calls` is
/// part of the choice here; without tools there is none.
base::Result<void> CallBuilder::read_tools() {
    if (chat_.tools.empty()) return {};
    string_view wanted = parameters_.get("tool_choice");
    auto choice = read_tool_choice(chat_, wanted);
    if (!choice) return std::unexpected(choice.error());
    using Calls = ToolChoice::Calls;
    const bool alone = parameters_.get("parallel_tool_calls") == "false";
    const bool named = text_of(wanted, "type") == "function";
    tools_ = std::move(choice->tools);
    forced_ = choice->calls == Calls::required;
    if (!named && tools_.size() < chat_.tools.size())
        note(changes_, "sent only the tools that tool_choice names");
    if (wanted.empty() && !alone) return {};
    const string_view type = named                          ? "tool"
                             : forced_                      ? "any"
                             : choice->calls == Calls::none ? "none"
                                                            : "auto";
    tool_choice_ = fmt::format(R"({{"type":"{}")", type);
    if (named) {
        tool_choice_ += ",\"name\":" + json::quote(tool_name(tools_.front()->name));
        tools_.clear();
        for (const Tool& tool : chat_.tools) tools_.push_back(&tool);
    }
    if (alone && type != "none") tool_choice_ += R"(,"disable_parallel_tool_use":true)";
    tool_choice_ += '}';
    return {};
}

/// What keeps the model from thinking in this call, named in the changes.
bool CallBuilder::thinking_fits() {
    string_view why;
    if (forced_)
        why = "a tool is forced";
    else if (!conversation_.may_think())
        why = "the last assistant's turn has no signed thinking";
    else if (upstream_.max_output_tokens && *upstream_.max_output_tokens < 2 * kLeastBudget)
        why = "the model's answers are too short for it";
    if (!why.empty()) changes_.push_back(fmt::format("removed thinking: {}", why));
    return why.empty();
}

void CallBuilder::think(std::uint64_t budget, string_view effort) {
    if (!thinking_fits()) return;
    thinks_ = true;
    budget_ = std::max(budget, kLeastBudget);
    if (upstream_.max_output_tokens)
        budget_ = std::min(budget_, *upstream_.max_output_tokens - kLeastBudget);
    if (effort.empty()) {
        thinking_ = fmt::format(R"({{"type":"enabled","budget_tokens":{}}})", budget_);
        return;
    }
    thinking_ = R"({"type":"adaptive"})";
    output_config_.set("effort", json::quote(effort));
}

/// From `thinking` in Anthropic's own shape, or else from reasoning_effort where the target is
/// known to reason.
void CallBuilder::read_thinking() {
    string_view wanted = parameters_.get("thinking");
    const std::string type = text_of(wanted, "type");
    const std::string effort = parameters_.text("reasoning_effort");
    if (type == "disabled" || (type.empty() && effort == "none" && upstream_.reasoning)) {
        if (!model_.strict()) thinking_ = R"({"type":"disabled"})";
        return;
    }
    std::optional<std::uint64_t> budget = budget_of(effort);
    if (type.empty() && !(budget && upstream_.reasoning)) {
        if (!effort.empty()) changes_.emplace_back("removed reasoning_effort");
        return;
    }
    std::optional<std::uint64_t> stated = json::count(json::member(wanted, "budget_tokens"));
    const bool adapt = model_.strict() || (model_.adaptive() && !stated);
    string_view level = budget ? string_view(effort) : effort_of_budget(stated.value_or(8192));
    if (level == "minimal") level = "low";
    if (level == "xhigh" && !model_.strict()) level = "high";
    think(stated ? *stated : budget.value_or(8192), adapt ? level : string_view());
}

/// Room for the answer beside the thinking.
std::uint64_t CallBuilder::max_tokens() {
    const std::uint64_t highest = upstream_.max_output_tokens.value_or(UINT64_MAX);
    std::optional<std::uint64_t> asked = parameters_.max_tokens();
    std::uint64_t tokens = asked.value_or(kDefaultMaxTokens + budget_);
    const bool adapts = thinks_ && output_config_.find("effort");
    if (thinks_ && !adapts && tokens < budget_ + kLeastBudget) {
        tokens = budget_ + kLeastBudget;
        changes_.push_back(fmt::format("raised max_tokens to {} for the thinking", tokens));
    }
    return std::min(tokens, highest);
}

std::string CallBuilder::tools() {
    std::string out = "[";
    for (const Tool* tool : tools_) {
        if (out.size() > 1) out += ',';
        out += "{\"name\":" + json::quote(tool_name(tool->name));
        if (!tool->description.empty()) out += ",\"description\":" + json::quote(tool->description);
        out += ",\"input_schema\":" + object_schema(tool->schema);
        if (tool->strict && binds_) out += fmt::format(",\"strict\":{}", *tool->strict);
        if (tool->strict && !binds_) note(changes_, "removed tools[].strict");
        for (const Extra& extra : tool->extras) {
            if (std::ranges::find(kToolExtras, extra.key) != kToolExtras.end())
                out += fmt::format(",{}:{}", json::quote(extra.key), extra.json);
            else
                note(changes_, fmt::format("removed tools[].{}", extra.key));
        }
        out += '}';
    }
    return out + ']';
}

/// Thinking models and the newest ones take none of these; temperature and top_p exclude
/// each other.
void CallBuilder::add_sampling() {
    if (!thinks_ && !model_.strict()) {
        if (auto top_p = parameters_.number("top_p"))
            body_.set("top_p", clamped(*top_p, 0, 1));
        else if (auto value = parameters_.number("temperature"))
            body_.set("temperature", clamped(*value, 0, 1));
        if (string_view top_k = parameters_.get("top_k"); !top_k.empty())
            body_.set("top_k", std::string(top_k));
    }
    std::vector<std::string> stops = parameters_.stops();
    const auto blank = [](const std::string& stop) { return base::trim(stop).empty(); };
    if (std::erase_if(stops, blank) > 0) note(changes_, "removed stop texts of white space alone");
    if (!stops.empty()) body_.set("stop_sequences", quoted_list(stops));
}

base::Result<Call> CallBuilder::build() {
    if (auto read = read_messages(); !read) return std::unexpected(read.error());
    if (auto read = read_format(); !read) return std::unexpected(read.error());
    conversation_.finish();
    if (auto read = read_tools(); !read) return std::unexpected(read.error());
    read_thinking();
    body_.set("model", json::quote(upstream_.model));
    body_.set("max_tokens", std::to_string(max_tokens()));
    if (std::string system = conversation_.system(); !system.empty()) body_.set("system", system);
    body_.set("messages", conversation_.messages());
    if (!tools_.empty()) body_.set("tools", tools());
    if (!tool_choice_.empty()) body_.set("tool_choice", tool_choice_);
    if (!thinking_.empty()) body_.set("thinking", thinking_);
    add_sampling();
    if (std::string user = parameters_.text("user"); !user.empty())
        body_.set("metadata", fmt::format(R"({{"user_id":{}}})", json::quote(user)));
    if (string_view cache = parameters_.get("cache_control"); !cache.empty())
        body_.set("cache_control", std::string(cache));
    if (!output_config_.empty()) body_.set("output_config", output_config_.str());
    if (request_.stream) body_.set("stream", "true");
    parameters_.finish(body_);
    for (std::string& change : parameters_.changes()) note(changes_, std::move(change));
    return Call{"/v1/messages", body_.str(), std::move(changes_)};
}

}  // namespace

base::Result<Call> AnthropicUpstream::call(const Chat& chat, const ChatRequest& request,
                                           const Upstream& upstream) const {
    return CallBuilder(chat, request, upstream).build();
}

}  // namespace llm
