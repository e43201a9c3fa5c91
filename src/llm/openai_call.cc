#include "llm/fields.h"
#include "llm/openai.h"
#include "llm/openai_client.h"
#include "llm/openai_messages.h"
#include "llm/openai_rules.h"
#include "llm/parameters.h"
#include "llm/reasoning_effort.h"
#include "llm/splice.h"
#include "llm/tool_choice.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using openai::Rename;
using openai::Rules;
using std::string_view;

bool contains(std::span<const string_view> list, string_view key) {
    return std::ranges::find(list, key) != list.end();
}

const Extra* find(std::span<const Extra> extras, string_view key) {
    auto it = std::ranges::find(extras, key, &Extra::key);
    return it == extras.end() ? nullptr : &*it;
}

bool bounds_output(string_view key) {
    return key == "max_tokens" || key == "max_completion_tokens";
}

/// Builds one upstream body out of the client's bytes.
class CallBuilder {
public:
    CallBuilder(const ChatRequest& request, const Upstream& upstream)
        : request_(request),
          upstream_(upstream),
          rules_(openai::rules(upstream)),
          splice_(request.body),
          object_(splice_, string_view(request.body).substr(request.body.find('{'))) {}

    base::Result<Call> build();

private:
    base::Result<void> check() const;
    base::Result<void> read_choice();
    void narrow_tools(string_view tools);
    void cut_stops(string_view stops);
    void cool(string_view temperature);
    void member(const Member& member);
    bool special(const Member& member, string_view whole, string_view value);
    void effort(string_view key, string_view whole, string_view value);
    void set_effort(string_view key, string_view whole, string_view value, string_view wanted);
    void stream_options(string_view whole, string_view value);
    void add_missing();
    void add(string_view key, string_view json, string_view note);
    void remove(string_view key, string_view whole);
    string_view renamed(string_view key) const;
    bool outdone(string_view key) const;
    bool client_set(string_view key) const;
    bool dropped(string_view key) const;
    bool allowed(string_view key) const;
    bool asks_usage() const;

    const ChatRequest& request_;
    const Upstream& upstream_;
    const Rules& rules_;
    Splice splice_;
    ObjectEdit object_;
    std::vector<std::string> added_;
    /// By their places in `tools`, and the choice between them, where some may not be called.
    std::vector<std::size_t> callable_;
    string_view choice_;
    Call call_;
};

base::Result<void> CallBuilder::check() const {
    const Member* n = request_.find("n");
    if (!rules_.one_choice || !n || allowed("n")) return {};
    string_view value = request_.text(n->value);
    if (value == "null" || json::count(value) == 1u) return {};
    return base::fail(base::ErrorKind::unsupported,
                      fmt::format("n: {} gives one choice only", base::name(upstream_.provider)));
}

/// A choice of some tools is OpenAI's own: others are sent only those.
base::Result<void> CallBuilder::read_choice() {
    const Member* choice = request_.find("tool_choice");
    const Member* tools = request_.find("tools");
    const bool own = upstream_.provider == base::Provider::openai || allowed("tool_choice");
    if (own || !choice || !tools) return {};
    const string_view wanted = request_.text(choice->value);
    if (json::member(wanted, "type") != "\"allowed_tools\"") return {};
    auto list = read_openai_tools(request_.text(tools->value));
    if (!list) return std::unexpected(list.error());
    const Chat chat{.tools = *std::move(list)};
    auto read = read_tool_choice(chat, wanted);
    if (!read) return std::unexpected(read.error());
    for (const Tool* tool : read->tools)
        callable_.push_back(static_cast<std::size_t>(tool - chat.tools.data()));
    choice_ = read->calls == ToolChoice::Calls::required ? "\"required\""
              : read->calls == ToolChoice::Calls::none   ? "\"none\""
                                                         : "\"auto\"";
    return {};
}

void CallBuilder::narrow_tools(string_view tools) {
    ObjectEdit edit(splice_, tools);
    std::size_t place = 0;
    for_each_element(tools, [&](string_view tool) {
        if (std::ranges::find(callable_, place++) == callable_.end())
            edit.remove(tool);
        else
            edit.keep(tool);
    });
    edit.finish();
    if (callable_.size() < place)
        call_.changes.emplace_back("sent only the tools that tool_choice names");
}

/// The first texts of a list that is longer than the target takes.
void CallBuilder::cut_stops(string_view stops) {
    if (rules_.most_stops == 0 || !stops.starts_with('[')) return;
    ObjectEdit edit(splice_, stops);
    std::size_t count = 0;
    for_each_element(stops, [&](string_view stop) {
        if (++count > rules_.most_stops)
            edit.remove(stop);
        else
            edit.keep(stop);
    });
    edit.finish();
    if (count > rules_.most_stops)
        call_.changes.push_back(fmt::format("removed stop texts after {}", rules_.most_stops));
}

void CallBuilder::cool(string_view temperature) {
    const std::optional<double> value = json::number(temperature);
    if (rules_.hottest == 0 || !value || (*value >= 0 && *value <= rules_.hottest)) return;
    std::string within = clamped(*value, 0, rules_.hottest);
    call_.changes.push_back(fmt::format("changed temperature from {} to {}", temperature, within));
    splice_.replace(temperature, std::move(within));
}

base::Result<Call> CallBuilder::build() {
    if (base::Result<void> good = check(); !good) return std::unexpected(good.error());
    if (base::Result<void> good = read_choice(); !good) return std::unexpected(good.error());
    for (const Member& one : request_.members) member(one);
    add_missing();
    object_.finish();
    call_.path = request_.endpoint == Endpoint::chat ? "/chat/completions" : "/completions";
    call_.body = splice_.apply();
    return std::move(call_);
}

string_view CallBuilder::renamed(string_view key) const {
    if (request_.endpoint == Endpoint::completion) return key;
    auto it = std::ranges::find(rules_.rename, key, &Rename::from);
    return it == rules_.rename.end() ? key : it->to;
}

/// The older bound where the newer one, said as well, takes its name.
bool CallBuilder::outdone(string_view key) const {
    const Member* newer = request_.find("max_completion_tokens");
    return key == "max_tokens" && newer && request_.text(newer->value) != "null" &&
           renamed(newer->key) == key;
}

bool CallBuilder::client_set(string_view key) const {
    if (bounds_output(key))
        return request_.find("max_tokens") || request_.find("max_completion_tokens");
    return std::ranges::any_of(request_.members, [&](const Member& member) {
        return member.key == key || renamed(member.key) == key;
    });
}

bool CallBuilder::dropped(string_view key) const {
    return std::ranges::find(upstream_.drop, key) != upstream_.drop.end();
}

bool CallBuilder::allowed(string_view key) const {
    return std::ranges::find(upstream_.allow, key) != upstream_.allow.end();
}

bool CallBuilder::asks_usage() const {
    return request_.stream && !request_.include_usage && rules_.ask_usage &&
           !dropped("stream_options");
}

void CallBuilder::remove(string_view key, string_view whole) {
    object_.remove(whole);
    call_.changes.push_back(fmt::format("removed {}", key));
}

void CallBuilder::member(const Member& member) {
    string_view whole = request_.text(member.whole);
    string_view value = request_.text(member.value);
    if (const Extra* set = find(upstream_.overrides, member.key)) {
        object_.keep(whole);
        splice_.replace(value, set->json);
        call_.changes.push_back(fmt::format("set {}", member.key));
        return;
    }
    if (dropped(member.key)) return remove(member.key, whole);
    if (special(member, whole, value)) return;
    string_view name = renamed(member.key);
    bool known = rules_.allow.empty() || contains(rules_.allow, name);
    bool taken =
        outdone(member.key) || (name != member.key && request_.find(name) && !outdone(name));
    bool removed = !known || taken || contains(rules_.drop, member.key);
    if (removed && !allowed(member.key)) return remove(member.key, whole);
    if (member.key == "stop" && !allowed("stop")) cut_stops(value);
    if (member.key == "temperature" && !allowed("temperature")) cool(value);
    if (name == member.key || taken) return object_.keep(whole);
    auto key_size = static_cast<std::size_t>(whole.find(':'));
    string_view quoted_key = base::trim(whole.substr(0, key_size));
    object_.rename(whole, quoted_key, name);
    call_.changes.push_back(fmt::format("renamed {} to {}", member.key, name));
}

/// Members whose value decides or changes. True: looked after.
bool CallBuilder::special(const Member& member, string_view whole, string_view value) {
    bool mistral = upstream_.provider == base::Provider::mistral && !allowed(member.key);
    const bool foreign_thinking =
        member.key == "thinking" && upstream_.provider != base::Provider::openai_compatible;
    auto tools_empty = [this] {
        const Member* tools = request_.find("tools");
        return !tools || json::blank(request_.text(tools->value));
    };
    if (member.key == "model") {
        object_.keep(whole);
        splice_.replace(value, json::quote(upstream_.model));
    } else if (member.key == "messages") {
        object_.keep(whole);
        openai::edit_messages(upstream_, value, splice_, call_.changes);
    } else if (member.key == "stream_options" && asks_usage()) {
        stream_options(whole, value);
    } else if (mistral && (member.key == "tools" || member.key == "tool_choice") && tools_empty()) {
        remove(member.key, whole);
    } else if (member.key == "tools" && !choice_.empty()) {
        object_.keep(whole);
        narrow_tools(value);
    } else if (member.key == "tool_choice" && !choice_.empty()) {
        object_.keep(whole);
        splice_.replace(value, std::string(choice_));
        call_.changes.push_back(fmt::format("changed tool_choice to {}", choice_));
    } else if ((member.key == "reasoning_effort" || foreign_thinking) && !allowed(member.key)) {
        effort(member.key, whole, value);
    } else {
        return false;
    }
    return true;
}

/// How hard to think, as this target is told: in its own words, for `thinking` in Anthropic's
/// shape too, unless the client says it otherwise as well.
void CallBuilder::effort(string_view key, string_view whole, string_view value) {
    const bool router = upstream_.provider == base::Provider::openrouter;
    const bool said_better = (key == "thinking" && request_.find("reasoning_effort")) ||
                             (router && request_.find("reasoning"));
    const auto text = json::text(value);
    if (said_better) return remove(key, whole);
    if (key == "thinking") return set_effort(key, whole, value, openai::effort_of_thinking(value));
    if (!text && upstream_.provider != base::Provider::mistral) return object_.keep(whole);
    set_effort(key, whole, value, text.value_or(""));
}

void CallBuilder::set_effort(string_view key, string_view whole, string_view value,
                             string_view wanted) {
    const std::string effort = wanted.empty() ? "" : openai::effort_for(upstream_, wanted);
    if (effort.empty()) return remove(key, whole);
    const bool router = upstream_.provider == base::Provider::openrouter;
    const string_view name = router ? "reasoning" : "reasoning_effort";
    std::string json = json::quote(effort);
    if (router) json = fmt::format(R"({{"effort":{}}})", json);
    if (name == key && json == value) return object_.keep(whole);
    if (name == key)
        object_.keep(whole);
    else
        object_.rename(whole, whole.substr(0, key.size() + 2), name);
    splice_.replace(value, json);
    call_.changes.push_back(name == key ? fmt::format("changed {} from {} to {}", key, value, json)
                                        : fmt::format("changed {} to {} {}", key, name, json));
}

void CallBuilder::stream_options(string_view whole, string_view value) {
    object_.keep(whole);
    string_view current = json::member(value, "include_usage");
    if (!current.empty())
        splice_.replace(current, "true");
    else if (value.starts_with('{') && !json::blank(value))
        splice_.insert(value.data() + 1, R"("include_usage":true,)");
    else
        splice_.replace(value, R"({"include_usage":true})");
    call_.changes.push_back("set stream_options.include_usage");
}

void CallBuilder::add(string_view key, string_view json, string_view note) {
    object_.add(key, json);
    added_.emplace_back(key);
    call_.changes.push_back(fmt::format("{} {}", note, key));
}

void CallBuilder::add_missing() {
    for (const Extra& extra : upstream_.overrides)
        if (!request_.find(extra.key)) add(extra.key, extra.json, "set");
    auto missing = [this](string_view key) {
        return !client_set(key) && !dropped(key) && std::ranges::find(added_, key) == added_.end();
    };
    for (const Extra& extra : upstream_.defaults)
        if (string_view key = renamed(extra.key); missing(extra.key) && missing(key))
            add(key, extra.json, "added default");
    bool bounded = std::ranges::any_of(added_, bounds_output);
    if (!rules_.bound_output.empty() && !bounded) {
        string_view key =
            request_.endpoint == Endpoint::completion ? "max_tokens" : rules_.bound_output;
        std::uint64_t bound = openai::kDefaultOutputTokens;
        bound = std::min(bound, upstream_.max_output_tokens.value_or(bound));
        if (missing(key)) add(key, std::to_string(bound), "added");
    }
    if (asks_usage() && missing("stream_options"))
        add("stream_options", R"({"include_usage":true})", "added");
}

}  // namespace

base::Result<Call> OpenAiDialect::call(const ChatRequest& request, const Upstream& upstream) const {
    return CallBuilder(request, upstream).build();
}

}  // namespace llm
