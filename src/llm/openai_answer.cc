#include "llm/classify.h"
#include "llm/hidden_error.h"
#include "llm/openai.h"
#include "llm/payload.h"
#include "llm/splice.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::optional<Failure> check(const Payload& payload, const Upstream& upstream, string_view body,
                             base::WallTime now) {
    if (!payload.error.empty()) {
        bool at_top = !json::blank(json::member(body, "error"));
        return classify_embedded(upstream.provider, at_top ? body : payload.error, now);
    }
    if (payload.finish_reason == "\"error\"")
        return malformed("the answer's finish_reason is error");
    if (payload.choices == 0) return malformed("the answer has no choices");
    if (!payload.content) return empty_answer(payload.finish_reason);
    return hidden_error(upstream, payload.first_text, now);
}

/// The client sees the alias, OpenAI's words for finish reasons and content, and usage.
std::string present(const Payload& payload, const Upstream& upstream, string_view body,
                    const Usage& usage) {
    Splice splice(body);
    std::string missing;
    if (!payload.model.empty())
        splice.replace(payload.model, json::quote(upstream.alias));
    else
        missing = fmt::format(R"("model":{})", json::quote(upstream.alias));
    for (string_view parts : payload.part_lists) splice.replace(parts, flatten_parts(parts));
    for (const auto& [choice, reason] : payload.ends)
        if (auto proper = proper_reason(reason, payload.calling.has(choice)); !proper.empty())
            splice.replace(reason, std::string(proper));
    if (usage.known) {
        show_cached(payload.usage, splice);
    } else {
        string_view old = payload.usage.empty() ? payload.null_usage : payload.usage;
        if (!old.empty())
            splice.replace(old, usage_json(usage));
        else
            missing +=
                fmt::format(R"({}"usage":{})", missing.empty() ? "" : ",", usage_json(usage));
    }
    if (!missing.empty()) splice.insert_first(body.substr(body.find('{')), std::move(missing));
    return splice.apply();
}

}  // namespace

std::expected<Answer, Failure> OpenAiDialect::answer(const ChatRequest& request,
                                                     const Upstream& upstream, const Reply& reply,
                                                     base::WallTime now) const {
    Payload payload;
    if (!payload.read(reply.body))
        return std::unexpected(
            malformed(reply.body.empty() ? "an empty body" : "the body is not one JSON object"));
    if (std::optional<Failure> failure = check(payload, upstream, reply.body, now))
        return std::unexpected(std::move(*failure));
    Answer answer;
    answer.usage = read_usage(payload.usage);
    if (!answer.usage.known) answer.usage = estimate_usage(request, payload.content_bytes);
    answer.body = present(payload, upstream, reply.body, answer.usage);
    return answer;
}

}  // namespace llm
