#include "llm/responses_passthrough.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/responses_ids.h"
#include "llm/responses_object.h"
#include "llm/splice.h"
#include "llm/usage_json.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::string text_of(string_view object, string_view key) {
    return json::text(json::member(object, key)).value_or("");
}

/// The configuration speaks of chat's members; some have another name here.
string_view renamed(string_view key) {
    if (key == "max_tokens" || key == "max_completion_tokens") return "max_output_tokens";
    return key == "reasoning_effort" ? "reasoning" : key;
}

std::string reshaped(const Extra& extra) {
    return extra.key == "reasoning_effort" ? fmt::format(R"({{"effort":{}}})", extra.json)
                                           : extra.json;
}

class CallBuilder {
public:
    CallBuilder(const ChatRequest& request, const Upstream& upstream)
        : request_(request),
          upstream_(upstream),
          splice_(request.body),
          object_(splice_, string_view(request.body).substr(request.body.find('{'))) {}

    Call build() {
        for (const Member& one : request_.members) member(one);
        for (const Extra& extra : upstream_.overrides)
            if (!sent(extra.key)) add(extra, "set");
        for (const Extra& extra : upstream_.defaults)
            if (!sent(extra.key) && !among(upstream_.drop, extra.key)) add(extra, "added default");
        object_.finish();
        call_.path = "/responses";
        call_.body = splice_.apply();
        return std::move(call_);
    }

private:
    static bool among(std::span<const std::string> list, string_view key) {
        return std::ranges::any_of(list, [key](string_view one) { return renamed(one) == key; });
    }
    bool sent(string_view key) const {
        return request_.find(renamed(key)) || among(added_, renamed(key));
    }
    void add(const Extra& extra, string_view note) {
        object_.add(renamed(extra.key), reshaped(extra));
        added_.emplace_back(renamed(extra.key));
        call_.changes.push_back(fmt::format("{} {}", note, renamed(extra.key)));
    }
    void note(std::string change) {
        if (std::ranges::find(call_.changes, change) == call_.changes.end())
            call_.changes.push_back(std::move(change));
    }
    void member(const Member& member);
    void input(string_view items);

    const ChatRequest& request_;
    const Upstream& upstream_;
    Splice splice_;
    ObjectEdit object_;
    std::vector<std::string> added_;
    Call call_;
};

void CallBuilder::member(const Member& member) {
    const string_view whole = request_.text(member.whole);
    const string_view value = request_.text(member.value);
    auto set = std::ranges::find_if(
        upstream_.overrides, [&](const Extra& extra) { return renamed(extra.key) == member.key; });
    if (set == upstream_.overrides.end() && among(upstream_.drop, member.key)) {
        object_.remove(whole);
        return note("removed " + member.key);
    }
    object_.keep(whole);
    if (set != upstream_.overrides.end()) {
        splice_.replace(value, reshaped(*set));
        note("set " + member.key);
    } else if (member.key == "model") {
        splice_.replace(value, json::quote(upstream_.model));
    } else if (member.key == "input") {
        input(value);
    }
}

/// OpenAI does not know ids that it has not given, and can't read others' signed thoughts.
void CallBuilder::input(string_view items) {
    json::Cursor in(items);
    if (!items.starts_with('[') || !in.enter_array()) return;
    std::string kept;
    bool changed = false;
    while (in.next_element()) {
        const string_view item = in.value();
        const std::string id = text_of(item, "id");
        const std::string encrypted = text_of(item, "encrypted_content");
        const bool foreign =
            text_of(item, "type") == "reasoning" &&
            (is_our_reasoning(encrypted) || (encrypted.empty() && (id.empty() || is_ours(id))));
        if (foreign) {
            changed = true;
            note("removed input[].reasoning");
            continue;
        }
        kept += kept.empty() ? "" : ",";
        if (is_ours(id)) {
            changed = true;
            kept += without_member(item, "id");
            note("removed input[].id");
        } else {
            kept += item;
        }
    }
    if (changed) splice_.replace(items, '[' + kept + ']');
}

bool has_content(string_view output) {
    json::Cursor in(output);
    return output.starts_with('[') && in.enter_array() && in.next_element();
}

}  // namespace

base::Result<Call> ResponsesPassthrough::call(const ChatRequest& request,
                                              const Upstream& upstream) const {
    return CallBuilder(request, upstream).build();
}

std::optional<Failure> judge_response(string_view response, base::WallTime now) {
    const std::string status = text_of(response, "status");
    if (!json::blank(json::member(response, "error")) || status == "failed")
        return classify_embedded(base::Provider::openai, response, now);
    if (status != "completed" && status != "incomplete")
        return malformed(fmt::format("the response's status is {}", status));
    if (has_content(json::member(response, "output"))) return std::nullopt;
    const std::string reason = text_of(json::member(response, "incomplete_details"), "reason");
    return empty_answer(reason == "max_output_tokens" ? "\"length\"" : json::quote(reason));
}

std::expected<Answer, Failure> ResponsesPassthrough::answer(const ChatRequest& request,
                                                            const Upstream& upstream,
                                                            const Reply& reply,
                                                            base::WallTime now) const {
    json::Cursor whole(reply.body);
    if (whole.peek() != '{' || !whole.skip() || !whole.complete())
        return std::unexpected(
            malformed(reply.body.empty() ? "an empty body" : "the body is not one JSON object"));
    const string_view body = string_view(reply.body).substr(reply.body.find('{'));
    if (auto failure = judge_response(body, now)) return std::unexpected(std::move(*failure));
    Answer answer;
    answer.usage = read_responses_usage(json::member(body, "usage"));
    if (!answer.usage.known)
        answer.usage = estimate_usage(request, json::member(body, "output").size());
    Splice splice(body);
    if (string_view model = json::member(body, "model"); !model.empty())
        splice.replace(model, json::quote(upstream.alias));
    answer.body = splice.apply();
    return answer;
}

}  // namespace llm
